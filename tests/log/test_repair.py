"""A repair that is interrupted at any step leaves a partition that is damaged or repaired, and nothing is lost."""

import errno
import random
from collections import Counter
from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log import checkpoints
from odradek.log.descriptors import Descriptors
from odradek.log.errors import LogError
from odradek.log.opening import Stop
from odradek.log.partition_files import PartitionKey
from odradek.log.repair import Damage, find_damage, repair
from odradek.log.storage import LogStorage
from odradek.log.tasks import OpenTask
from tests.support.faulty_files import FaultyFiles
from tests.support.logs import TOPIC_ID, LogDirectory, append_many, batch, flush_all, offsets_in, topic_config

SIZE = len(batch(bytes(100)))
SYNCED, WRITTEN, INTACT = 8, 13, 7
CONFIG = topic_config(segment_bytes=3 * SIZE, index_interval_bytes=0)
MAGIC_POSITION = 16
STOPS = pytest.mark.parametrize("stop", [Stop.PROCESS_CRASH, Stop.POWER_LOSS])


class Interrupted(FaultyFiles):
    """Every call from the given one on fails, as if the process had ended."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def _enter(self, call: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError(errno.EIO, call)
        super()._enter(call)


def storage(files: FaultyFiles | PosixFiles) -> LogStorage:
    return LogStorage(files, Descriptors(files), random.Random(0))


def task(data: Path) -> OpenTask:
    offsets = checkpoints.read_offsets(PosixFiles(), str(data / checkpoints.RECOVERY_POINT))
    return OpenTask(str(data / "flights-0"), PartitionKey("flights", 0, TOPIC_ID), 0, offsets["flights", 0])


def found(data: Path, stop: Stop) -> Damage | None:
    return find_damage(storage(PosixFiles()), task(data), CONFIG, stop)


def batches_in(partition: Path) -> Counter[bytes]:
    """Every batch of the segments, those cut and kept included, by content."""
    contents = [path.read_bytes() for path in partition.iterdir() if ".log" in path.name and path.suffix != ".tmp"]
    return Counter(content[at : at + SIZE] for content in contents for at in range(0, len(content), SIZE))


def recovered(data: Path, stop: Stop) -> list[tuple[int, int]]:
    """What a start finds."""
    directory = LogDirectory(data / "flights-0", PosixFiles(), CONFIG)
    return offsets_in(directory.open(stop=stop, recovery_point=task(data).recovery_point))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A log directory with one partition, damaged in the second to last batch that was synced."""
    (tmp_path / "flights-0").mkdir()
    directory = LogDirectory(tmp_path / "flights-0", PosixFiles(), CONFIG)
    log = directory.open()
    append_many(log, SYNCED)
    flush_all(log)
    append_many(log, WRITTEN - SYNCED, start=SYNCED)
    log.close()
    checkpoints.write_offsets(PosixFiles(), str(tmp_path / checkpoints.RECOVERY_POINT), {("flights", 0): SYNCED})
    segment = tmp_path / "flights-0" / f"{6:020d}.log"
    content = bytearray(segment.read_bytes())
    content[SIZE + MAGIC_POSITION] = 9
    segment.write_bytes(content)
    for path in segment.parent.glob(f"{6:020d}.*index"):
        path.unlink()
    return tmp_path


@STOPS
def test_looking_for_damage_changes_nothing(data: Path, stop: Stop) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    damage = found(data, stop)
    assert damage is not None
    assert (damage.error.intact_offset, damage.end_offset) == (INTACT, WRITTEN)
    assert damage.size_bytes == (WRITTEN - INTACT) * SIZE
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


@STOPS
def test_a_repair_ends_the_log_where_it_was_intact(data: Path, stop: Stop) -> None:
    damage = found(data, stop)
    assert damage is not None
    before = batches_in(data / "flights-0")
    kept = repair(storage(PosixFiles()), damage, CONFIG)
    assert kept == sorted(map(str, (data / "flights-0").glob("*.damaged-7")))
    assert batches_in(data / "flights-0") == before
    assert task(data).recovery_point == INTACT
    assert found(data, stop) is None
    assert recovered(data, stop) == [(offset, offset) for offset in range(INTACT)]


@STOPS
def test_an_interrupted_repair_can_be_repeated(
    data: Path, stop: Stop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    whole = Interrupted(1_000_000)
    for calls in range(1000):
        copy = tmp_path_factory.mktemp("copy") / "data"
        shutil.copytree(data, copy)
        before = batches_in(copy / "flights-0")
        damage = found(copy, stop)
        assert damage is not None
        files = Interrupted(calls)
        try:
            repair(storage(files), damage, CONFIG)
            whole = files
        except LogError:
            again = found(copy, stop)
            if again is not None:
                assert again.error.intact_offset == INTACT
                repair(storage(PosixFiles()), again, CONFIG)
        assert not before - batches_in(copy / "flights-0"), f"interrupted after {calls} calls"
        assert recovered(copy, stop) == [(offset, offset) for offset in range(INTACT)]
        shutil.rmtree(copy)
        if files is whole:
            break
    assert len(whole.calls) > 20
