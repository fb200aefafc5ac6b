"""What the two sides say: a client's requests, the store's replies, as MessagePack arrays.

Each message carries the id its client gave the request. A scan or a watch is a stream: any number of replies with the
id of the request, `Took` and `Cancel` for it in the other direction, and `Done` or `Refused` at its end.
"""

import msgspec

from odradek.metastore.store import StoreInfo

PROTOCOL = 1
"""Both sides must have the same: they come from one installation."""

REQUEST_BYTES_MAX = 2 << 20
"""A transaction of the largest size, with what is around its keys and values."""
REPLY_BYTES_MAX = 8 << 20
"""A revision of more is told as compacted."""
PAGE_BYTES = 512 << 10
"""A page of a scan is sent in parts of this size, or of one larger item."""
WINDOW_BYTES = 1 << 20
"""A stream rests when its reader has not consumed so much of it."""
REQUESTS_MAX = 256
"""Requests of one client that are being answered; it keeps the others back."""
STREAMS_MAX = 64
"""Scans and watches of one client at a time."""

Item = tuple[bytes, bytes, int, int, int, int]
"""A KV's fields in their order."""
Comparison = tuple[bytes, str, int | bytes, str]
"""A Compare's fields in their order."""
Change = tuple[bytes, bytes | None]
"""An event's key and value; the revision is that of all of them."""


class _Body(msgspec.Struct, array_like=True, frozen=True, tag=True, gc=False):
    pass


# -- requests ---------------------------------------------------------------------------------------------------------


class Hello(_Body, frozen=True):
    """The first request of every connection."""

    protocol: int


class Get(_Body, frozen=True):
    key: bytes


class PutKey(_Body, frozen=True):
    key: bytes
    value: bytes
    lease: int


class DeleteKey(_Body, frozen=True):
    key: bytes
    prefix: bool


class Txn(_Body, frozen=True):
    """`timeout`: seconds."""

    when: tuple[Comparison, ...]
    then: tuple[PutKey | DeleteKey, ...]
    otherwise: tuple[PutKey | DeleteKey, ...]
    timeout: float


class Grant(_Body, frozen=True):
    ttl: float


class Renew(_Body, frozen=True):
    lease: int


class Revoke(_Body, frozen=True):
    lease: int


class Compact(_Body, frozen=True):
    before: int


class Scan(_Body, frozen=True):
    """Keys above `beyond` only: how a scan goes on over another connection."""

    prefix: bytes
    at: int
    beyond: bytes | None = None


class Watch(_Body, frozen=True):
    prefix: bytes
    after: int


class Took(_Body, frozen=True):
    """The reader of a stream has consumed so many more bytes of it."""

    size: int


class Cancel(_Body, frozen=True):
    """Nobody reads the stream any more."""


Asked = Hello | Get | Txn | Grant | Renew | Revoke | Compact | Scan | Watch
RequestBody = Asked | Took | Cancel


class Request(msgspec.Struct, array_like=True, frozen=True, gc=False):
    id: int
    body: RequestBody


# -- replies ----------------------------------------------------------------------------------------------------------


class Welcome(_Body, frozen=True):
    info: StoreInfo


class Found(_Body, frozen=True):
    item: Item | None
    revision: int


class Outcome(_Body, frozen=True):
    succeeded: bool
    revision: int


class Granted(_Body, frozen=True):
    lease: int
    ttl: float


class Renewed(_Body, frozen=True):
    ttl: float


class Items(_Body, frozen=True):
    """Part of a scan."""

    items: tuple[Item, ...]
    revision: int


class Changed(_Body, frozen=True):
    """A watch's RevisionBatch."""

    revision: int
    changes: tuple[Change, ...]


class Reached(_Body, frozen=True):
    """A watch's Progress."""

    revision: int


class Done(_Body, frozen=True):
    pass


class Refused(_Body, frozen=True):
    """An exception: the name of its class, its text, and the revision of Compacted."""

    error: str
    text: str
    revision: int = 0


ReplyBody = Welcome | Found | Outcome | Granted | Renewed | Items | Changed | Reached | Done | Refused


class Reply(msgspec.Struct, array_like=True, frozen=True, gc=False):
    id: int
    body: ReplyBody


encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding raises for bytes that are no message."""
