"""Checkpoint files: Kafka's bytes, and whatever else may lie in their place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.host.posix import PosixFiles
from odradek.log.checkpoints import (
    CorruptCheckpointError,
    parse_offsets,
    read_offsets,
    render_offsets,
    write_offsets,
)
from tests.support.faulty_files import FaultyFiles

GOLDEN = b"0\n3\nflights 0 1042\nflights 1 9223372036854775807\n__consumer_offsets 49 0\n"
OFFSETS = {("flights", 0): 1042, ("flights", 1): 2**63 - 1, ("__consumer_offsets", 49): 0}

TOPICS = st.text("abcXYZ019._-", min_size=1, max_size=20)
PLACES = st.tuples(TOPICS, st.integers(0, 2**31 - 1))


def test_a_checkpoint_has_kafkas_bytes() -> None:
    assert render_offsets(OFFSETS) == GOLDEN
    assert parse_offsets(GOLDEN) == OFFSETS


def test_no_partitions_make_a_checkpoint_of_two_lines() -> None:
    assert render_offsets({}) == b"0\n0\n"
    assert parse_offsets(b"0\n0\n") == {}


@given(st.dictionaries(PLACES, st.integers(0, 2**63 - 1)))
def test_what_was_written_is_read(offsets: dict[tuple[str, int], int]) -> None:
    assert parse_offsets(render_offsets(offsets)) == offsets


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0\n",
        b"1\n0\n",
        b"0\n1\n",
        b"0\n1\nflights 0 1",
        b"0\n1\nflights 0 1\nflights 1 1\n",
        b"0\n2\nflights 0 1\n",
        b"0\n2\nflights 0 1\nflights 0 2\n",
        b"0\n1\nflights 0 -1\n",
        b"0\n1\nflights 0\n",
        b"0\n1\n 0 1\n",
        b"0\n1\nflights 0 9223372036854775808\n",
        b"0\n1\nflights zero 1\n",
        "0\n1\nflüge 0 1\n".encode(),
        b"\x00" * 64,
    ],
)
def test_anything_else_is_corrupt(content: bytes) -> None:
    with pytest.raises(CorruptCheckpointError):
        parse_offsets(content)


@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_refused_and_nothing_else(content: bytes) -> None:
    try:
        offsets = parse_offsets(content)
    except CorruptCheckpointError:
        return
    assert parse_offsets(render_offsets(offsets)) == offsets


@given(st.data())
def test_a_checkpoint_cut_anywhere_is_refused(data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(GOLDEN) - 1))
    with pytest.raises(CorruptCheckpointError):
        parse_offsets(GOLDEN[:cut])


def test_no_file_is_no_offsets(tmp_path: Path) -> None:
    assert read_offsets(PosixFiles(), str(tmp_path / "recovery-point-offset-checkpoint")) == {}


@pytest.mark.parametrize("call", ["open", "pwritev", "datasync", "rename"])
def test_a_write_that_fails_leaves_the_old_checkpoint(tmp_path: Path, call: str) -> None:
    files, path = FaultyFiles(), str(tmp_path / "checkpoint")
    write_offsets(files, path, OFFSETS)
    files.fail(call)
    with pytest.raises(OSError, match="Input/output error"):
        write_offsets(files, path, {("flights", 0): 5})
    assert read_offsets(files, path) == OFFSETS
