"""Produce requests as nearly all are: one batch for one partition, without transactional id; versions 7 to 13.

A producer's requests for one topic differ in correlation id, partition and records alone, so the rest is parsed once
and then recognized by its bytes. What is not plain is left to `wire.produce`. The layout:

    api key i16 | version i16 | correlation id i32 | head | partition i32 | size of records | records
    head: client id | transactional id (null) | acks i16 | timeout i32 | 1 | topic's name or id | 1

From version 9 on sizes are compact and tagged fields (none) follow the client id, the records, and twice at the end.
"""

from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812  # it is an exception of struct's
from uuid import UUID

from odradek.wire.frame import REQUEST_START
from odradek.wire.primitives import INT16, INT32, UUID_SIZE, read_unsigned_varint, write_string
from odradek.wire.produce import FIRST_FLEXIBLE, FIRST_WITH_TOPIC_IDS, TopicKey

FIRST_PLAIN = 7
"""Earlier versions must not use zstd, and before 5 the response is another."""

HEADS_MAX = 4096
"""Remembered, those used last."""

HEAD_BYTES_MAX = 512
"""A longer one is not plain, lest clients fill the memory with them."""

_HEAD_START = 8
_CLIENT_ID = REQUEST_START.size
_LEGACY = Struct(">hhiih")
_FLEXIBLE = Struct(">bbhib")
_INDEX_AND_SIZE = Struct(">ii")
_unpack_start = REQUEST_START.unpack_from
_unpack_index_and_size = _INDEX_AND_SIZE.unpack_from
_unpack_index = INT32.unpack_from


class PlainHead:
    """What requests have in common, and what their responses do: what lies before and after the fields that change."""

    __slots__ = ("_after", "_before", "_pack", "_size", "acks", "topic")

    def __init__(self, acks: int, topic: TopicKey, before: bytes, after: bytes) -> None:
        layout = _response_layout(len(before), len(after))
        self.acks = acks
        self.topic = topic
        self._before = before
        self._after = after
        self._size = layout.size - INT32.size
        self._pack = layout.pack

    def response(
        self, correlation_id: int, index: int, base_offset: int, log_append_time_ms: int, log_start_offset: int
    ) -> bytes:
        """The whole frame, without error."""
        return self._pack(
            self._size, correlation_id, self._before, index, 0, base_offset, log_append_time_ms, log_start_offset,
            self._after,
        )  # fmt: skip


PlainProduce = tuple[PlainHead, int, int, memoryview]
"""(head, correlation id, partition, records) of a plain request; the records are a view of the buffer."""


def read_plain(view: memoryview, start: int, end: int) -> PlainProduce | None:
    """The Produce request in view[start:end]; None when it is not plain. Raises MalformedRequestError."""
    _, version, correlation_id, client_id_size = _unpack_start(view, start)
    name = start + (_CLIENT_ID if client_id_size < 0 else _CLIENT_ID + client_id_size) + 14
    if version < FIRST_FLEXIBLE:
        if name > end:
            return None
        head_end = name + (view[name - 2] << 8 | view[name - 1]) + 4
        records = head_end + _INDEX_AND_SIZE.size
        if records > end:
            return None
        index, size = _unpack_index_and_size(view, head_end)
        after = records + size
        if size < 0 or after != end:
            return None
    else:
        if name + UUID_SIZE > end:
            return None
        head_end = name - 4 + UUID_SIZE if version >= FIRST_WITH_TOPIC_IDS else name - 4 + view[name - 5]
        if head_end + INT32.size > end:
            return None
        (index,) = _unpack_index(view, head_end)
        size, records = read_unsigned_varint(view, head_end + INT32.size, end)
        after = records + size - 1
        if size == 0 or after + 3 != end or view[after] or view[after + 1] or view[after + 2]:
            return None
    if head_end - start > HEAD_BYTES_MAX:
        return None
    head = _read_head(version, bytes(view[start + _HEAD_START : head_end]))
    return None if head is None else (head, correlation_id, index, view[records:after])


@lru_cache(HEADS_MAX)
def _read_head(version: int, head: bytes) -> PlainHead | None:
    """None when it is not plain, or malformed."""
    try:
        body = INT16.size + max(INT16.unpack_from(head)[0], 0)
        str(head[INT16.size : body], "utf-8")
        read = _read_legacy if version < FIRST_FLEXIBLE else _read_flexible
        return read(version, head, body) if version >= FIRST_PLAIN else None
    except (StructError, UnicodeDecodeError):
        return None


def _read_legacy(version: int, head: bytes, body: int) -> PlainHead | None:
    start = body + _LEGACY.size
    transactional_size, acks, _, topic_count, name_size = _LEGACY.unpack_from(head, body)
    partition_count = head[start + max(name_size, 0) :]
    if transactional_size != -1 or topic_count != 1 or partition_count != INT32.pack(1) or acks not in (-1, 0, 1):
        return None
    topic = str(head[start : start + name_size], "utf-8")
    before = INT32.pack(1) + write_string(topic, False) + partition_count
    return PlainHead(acks, topic, before, b"\0\0\0\0\xff\xff\0\0\0\0" if version >= 8 else b"\0\0\0\0")


def _read_flexible(version: int, head: bytes, body: int) -> PlainHead | None:
    name = body + _FLEXIBLE.size
    tags, transactional_id, acks, _, topic_count = _FLEXIBLE.unpack_from(head, body)
    if tags or transactional_id or topic_count != 2 or head[-1] != 2 or acks not in (-1, 0, 1):
        return None
    topic: TopicKey
    if version >= FIRST_WITH_TOPIC_IDS:
        topic = UUID(bytes=head[name:-1])
        written = topic.bytes
    elif 1 <= head[name] < 0x80:
        topic = str(head[name + 1 : -1], "utf-8")
        written = write_string(topic, True)
    else:
        return None
    return PlainHead(acks, topic, b"\0\2" + written + b"\2", b"\1\0\0\0\0\0\0\0\0")


@lru_cache(HEADS_MAX)
def _response_layout(before: int, after: int) -> Struct:
    return Struct(f">ii{before}sihqqq{after}s")
