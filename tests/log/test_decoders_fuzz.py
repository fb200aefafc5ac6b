"""Files beside the segments: any bytes, and damaged real ones, are read or refused with the decoder's own error."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odradek.host.posix import PosixFiles
from odradek.log import (
    epoch_cache,
    offset_index,
    partition_metadata,
    producer_snapshot,
    time_index,
    transaction_index,
)
from odradek.log.directory import BOOT_ID, CLEAN_STOP, LOCK, AlreadyRunningError, LogDirectory
from odradek.log.errors import CorruptFileError, CorruptIndexError
from odradek.log.producer_state import ProducerState
from odradek.log.properties import META_PROPERTIES, MetaProperties, PropertiesError, parse_properties, render_properties
from odradek.log.transaction_index import AbortedTransaction

ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
REFUSALS = (CorruptFileError, CorruptIndexError, PropertiesError)


def snapshot() -> bytes:
    state = ProducerState()
    state.update(7, 1, 4, 9, 4, 1_700_000_000_000)
    return producer_snapshot.encode(state)


DECODERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "offset index": (offset_index.entries_of, b"".join(offset_index.ENTRY.pack(n, n * 100) for n in (1, 5, 9))),
    "time index": (time_index.entries_of, b"".join(time_index.ENTRY.pack(n * 1000, n) for n in (1, 5, 9))),
    "transaction index": (transaction_index.decode, transaction_index.encode(AbortedTransaction(1, 2, 3, 4))),
    "producer snapshot": (producer_snapshot.decode, snapshot()),
    "epochs": (epoch_cache.decode, epoch_cache.encode([(0, 0), (3, 90)])),
    "partition.metadata": (partition_metadata.decode, partition_metadata.encode(ID)),
    "meta.properties": (parse_properties, render_properties(MetaProperties("cluster", 1, ID))),
}
CHANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=4)


def is_read(decode: Callable[[bytes], object], content: bytes) -> bool:
    try:
        decode(content)
    except REFUSALS:
        return False
    return True


@pytest.mark.parametrize("name", DECODERS)
def test_what_is_to_be_damaged_is_read_first(name: str) -> None:
    decode, content = DECODERS[name]
    assert is_read(decode, content)


@pytest.mark.parametrize("name", DECODERS)
def test_any_bytes_are_read_or_refused(name: str) -> None:
    @given(st.binary(max_size=300))
    @example(b"")
    def check(content: bytes) -> None:
        is_read(DECODERS[name][0], content)

    check()


@pytest.mark.parametrize("name", DECODERS)
def test_damaged_content_is_read_or_refused(name: str) -> None:
    decode, good = DECODERS[name]

    @given(CHANGES, st.integers(0, len(good)))
    def check(changes: list[tuple[int, int]], end: int) -> None:
        content = bytearray(good)
        for position, value in changes:
            content[position % len(good)] = value
        is_read(decode, bytes(content[: end or len(good)]))

    check()


@given(st.sampled_from([BOOT_ID, CLEAN_STOP, META_PROPERTIES]), st.binary(max_size=300))
@example(CLEAN_STOP, b'{"brokerEpoch": ' + b"9" * 5000 + b"}")
@example(CLEAN_STOP, b"[" * 100_000)
@example(CLEAN_STOP, b'{"brokerEpoch": NaN}')
def test_a_directory_with_any_marks_is_understood_or_refused(name: str, content: bytes) -> None:
    with TemporaryDirectory() as path:
        Path(path, name).write_bytes(content)
        directory = LogDirectory(PosixFiles(), path)
        try:
            directory.read_state("boot")
        except PropertiesError:
            assert name == META_PROPERTIES
        else:
            assert isinstance(directory.proof.epoch, int)
            assert directory.clean == (name == CLEAN_STOP)


@given(st.binary(max_size=100))
def test_whatever_a_lock_file_says_of_its_holder_the_directory_is_refused(content: bytes) -> None:
    with TemporaryDirectory() as path:
        first, second = (LogDirectory(PosixFiles(), path) for _ in range(2))
        first.lock(1, "here")
        Path(path, LOCK).write_bytes(content)
        with pytest.raises(AlreadyRunningError):
            second.lock(2, "there")
        first.close()
