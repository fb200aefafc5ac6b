"""`odradek log` on what a broker wrote, and on what was damaged since."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic
from tests.cli.conftest import Cli, Result

TOPIC = "checked"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a stopped broker: one partition of a few segments with idempotent, compressed batches."""
    data = tmp_path_factory.mktemp("log") / "data"
    with BrokerProcess(data_dir=data) as broker:
        cli = Cli(broker.bootstrap)
        create_topic(broker.bootstrap, TOPIC, config={"segment.bytes": "1048576", "index.interval.bytes": "1000"})
        for codec, count in (("none", 11_000), ("lz4", 1_000)):
            lines = "".join(f"key{n % 7}\tvalue {n} {codec} {'x' * 250}\n" for n in range(count))
            cli.ok("produce", TOPIC, "-K", r"\t", "-H", "h=1", "-z", codec, "-X", "batch.size=4000", stdin=lines)
    return data


@pytest.fixture
def partition(written: Path, tmp_path: Path) -> Path:
    """A copy of the partition, to be damaged."""
    import shutil

    return Path(shutil.copytree(written / f"{TOPIC}-0", tmp_path / f"{TOPIC}-0"))


@pytest.fixture
def log() -> Callable[..., Result]:
    def run(*arguments: str | Path) -> Result:
        command = [sys.executable, "-m", "odradek", "log", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return Result(ended.returncode, ended.stdout, ended.stderr)

    return run


def middle(partition: Path, suffix: str) -> Path:
    """A file of a segment that is neither the first nor the last."""
    return sorted(partition.glob(f"*{suffix}"))[1]


def patch(path: Path, position: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)


def test_what_a_broker_wrote_has_no_problems(log: Callable[..., Result], written: Path) -> None:
    result = log("verify", written, "--decode", "--json")
    assert (result.code, result.err) == (0, "")
    report = result.json
    [checked] = [found for found in report["partitions"] if found["partition"] == f"{TOPIC}-0"]
    assert (report["problems"], checked["records"]) == (0, 12_000)
    assert checked["segments"] >= 3


@pytest.mark.parametrize(
    ("suffix", "position", "content", "told"),
    [
        (".log", 100, b"\xff\xff\xff", "the CRC does not match"),
        (".log", 16, b"\x01", "record format 1"),
        (".log", 8, b"\x00\x00\x00\x01", "no batch begins at position 0"),
        (".log", 0, b"\x00" * 8, "base offset 0 is below"),
        (".index", 4, b"\x00\x00\x00\x07", "offset index: no batch"),
        (".index", 0, b"\x7f", "offset index"),
        (".timeindex", 0, b"\x00\x00\x00\x00\x00\x00\x00\x01", "time index: 1 is not the largest"),
        (".snapshot", 12, b"\xff", "producer snapshot"),
    ],
)
def test_damage_is_found_and_named(
    log: Callable[..., Result], partition: Path, suffix: str, position: int, content: bytes, told: str
) -> None:
    damaged = middle(partition, suffix)
    patch(damaged, position, content)
    result = log("verify", partition)
    assert result.code == 1
    assert any(told in line and damaged.stem in line for line in result.out.splitlines()), result.out
    assert result.err.count("\n") == 1


def test_a_torn_end_is_found(log: Callable[..., Result], partition: Path) -> None:
    torn = sorted(partition.glob("*.log"))[-1]
    torn.write_bytes(torn.read_bytes()[:-5])
    result = log("verify", partition)
    assert result.code == 1
    assert "are no whole batch" in result.out


def test_a_closed_segment_without_its_time_index_is_found(log: Callable[..., Result], partition: Path) -> None:
    middle(partition, ".timeindex").unlink()
    assert "the time index is missing" in log("verify", partition).out


def test_dumped_batches_and_records_are_what_was_produced(log: Callable[..., Result], partition: Path) -> None:
    segments = sorted(partition.glob("*.log"))
    entries = [json.loads(line) for line in log("dump", "--json", "-r", *segments).out.splitlines()]
    batches = [entry for entry in entries if entry["type"] == "batch"]
    records = [entry for entry in entries if entry["type"] == "record"]
    assert [record["offset"] for record in records] == list(range(12_000))
    assert (records[0]["key"], records[0]["value"], records[0]["headers"]) == (
        "key0",
        f"value 0 none {'x' * 250}",
        [["h", "1"]],
    )
    assert sum(batch["records"] for batch in batches) == 12_000
    assert {batch["compression"] for batch in batches} == {"none", "lz4"}
    assert all(batch["crc_valid"] for batch in batches)


@pytest.mark.parametrize(
    ("suffix", "field"),
    [(".log", "base_offset="), (".index", "position="), (".timeindex", "timestamp="), (".snapshot", "producer_id=")],
)
def test_every_kind_of_file_can_be_dumped(log: Callable[..., Result], partition: Path, suffix: str, field: str) -> None:
    result = log("dump", middle(partition, suffix))
    assert (result.code, result.err) == (0, "")
    assert all(field in line for line in result.out.splitlines())
    assert result.out


def test_dumping_stops_where_no_batch_is(log: Callable[..., Result], partition: Path) -> None:
    damaged = middle(partition, ".log")
    patch(damaged, 8, b"\x00\x00\x00\x01")
    result = log("dump", damaged)
    assert result.code == 1
    assert "position 0" in result.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["dump", "/etc/hostname"], 1), (["dump", "/no/such.log"], 1), (["verify", "/no/such"], 1), (["dump"], 2)],
)
def test_what_cannot_be_read_is_told_in_one_line(log: Callable[..., Result], arguments: list[str], code: int) -> None:
    result = log(*arguments)
    assert (result.code, result.err.count("\n")) == (code, 1)


def test_a_record_that_does_not_decode_is_found_when_asked(log: Callable[..., Result], partition: Path) -> None:
    """A batch with a right CRC over records that are not: only decoding can tell."""
    from odradek.wire.records import HEADER_SIZE, set_crc

    damaged = middle(partition, ".log")
    data = bytearray(damaged.read_bytes())
    data[HEADER_SIZE] ^= 0xFF
    set_crc(data, 0)
    damaged.write_bytes(data)
    assert log("verify", partition).code == 0
    assert "batch at position 0" in log("verify", partition, "--decode").out
    assert "position 0" in log("dump", "-r", damaged).err
