"""The files of a swap: every state a death can leave is brought to the old segments or to the new one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log.cleaning import swap
from odradek.log.log import Stop
from tests.support.compacting import compact_config, put, records_in
from tests.support.logs import LogDirectory, flush_all

JOB = "00ff"
FILES = PosixFiles()


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    """Three closed segments of one batch each, and the output of a cleaning that made one of them."""
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    new = LogDirectory(tmp_path / "new", FILES, compact_config())
    log = new.open()
    put(log, ("a", "3"), base_offset=0)
    log.roll(0)
    flush_all(log)
    log.close()
    old = LogDirectory(tmp_path / "old", FILES, compact_config())
    log = old.open()
    for value in ("1", "2", "3"):
        put(log, ("a", value))
        log.roll(0)
    flush_all(log)
    log.close()
    for suffix in (".log", ".index", ".timeindex"):
        stem = f"{0:020d}{suffix}"
        shutil.copy(tmp_path / "new" / stem, swap.cleaned_path(str(old.path), 0, suffix, JOB))
    output = bytearray(Path(swap.cleaned_path(str(old.path), 0, ".log", JOB)).read_bytes())
    output[:8] = (2).to_bytes(8, "big")  # The last of the three records, at its offset.
    Path(swap.cleaned_path(str(old.path), 0, ".log", JOB)).write_bytes(output)
    return old


STEPS: list[Callable[[str], object]] = [
    lambda path: swap.prepare(FILES, path, 0, JOB),
    lambda path: swap.commit(FILES, path, 0, JOB),
    lambda path: swap.set_old_aside(FILES, path, (0, 1, 2)),
    lambda path: swap.finish(FILES, path, 0),
]
BEFORE_COMMIT = 2


@pytest.mark.parametrize("done", range(len(STEPS) + 1))
def test_a_death_between_two_steps_leaves_the_old_or_the_new(directory: LogDirectory, done: int) -> None:
    for step in STEPS[:done]:
        step(str(directory.path))
    log = directory.open(stop=Stop.PROCESS_CRASH, recovery_point=3)
    found = [(each.offset, each.value) for each in records_in(log)]
    assert found == ([(0, b"1"), (1, b"2"), (2, b"3")] if done < BEFORE_COMMIT else [(2, b"3")])
    assert log.log_end_offset == 3
    logs = [name for name in directory.names() if name.endswith(".log")]
    assert len(logs) == (4 if done < BEFORE_COMMIT else 2)
    assert not [name for name in directory.names() if name.endswith((".swap", ".cleaned", ".deleted"))]


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_recovery_that_dies_itself_is_repeated(directory: LogDirectory, done: int) -> None:
    for step in STEPS[:done]:
        step(str(directory.path))
    path = str(directory.path)
    once = sorted(swap.recover(FILES, path, FILES.listdir(path)))
    assert sorted(swap.recover(FILES, path, FILES.listdir(path))) == once


def test_an_index_that_did_not_get_its_name_before_the_log_did_gets_it(directory: LogDirectory) -> None:
    for step in STEPS:
        step(str(directory.path))
    index = directory.path / f"{0:020d}.timeindex"
    content = index.read_bytes()
    index.rename(f"{index}.swap")
    directory.open(stop=Stop.PROCESS_CRASH, recovery_point=3)
    assert index.read_bytes() == content


def test_a_job_that_is_given_up_leaves_nothing_and_takes_nothing(directory: LogDirectory) -> None:
    before = [name for name in directory.names() if not name.endswith(".cleaned")]
    swap.prepare(FILES, str(directory.path), 0, JOB)
    swap.remove_outputs(FILES, str(directory.path), JOB)
    assert directory.names() == before


def test_the_outputs_of_another_job_stay(directory: LogDirectory) -> None:
    before = directory.names()
    swap.remove_outputs(FILES, str(directory.path), "0000")
    assert directory.names() == before


def test_an_old_transaction_index_does_not_outlive_its_segment(directory: LogDirectory) -> None:
    for base_offset in (0, 1):
        (directory.path / f"{base_offset:020d}.txnindex").write_bytes(b"old")
    Path(swap.cleaned_path(str(directory.path), 0, ".txnindex", JOB)).write_bytes(b"")
    swap.prepare(FILES, str(directory.path), 0, JOB)
    swap.commit(FILES, str(directory.path), 0, JOB)
    swap.recover(FILES, str(directory.path), directory.names())
    assert directory.content(f"{0:020d}.txnindex") == b""
    assert f"{1:020d}.txnindex" not in directory.names()
