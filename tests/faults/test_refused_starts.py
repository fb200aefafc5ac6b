"""What keeps a broker from starting is said in one line, and the exit code is 1."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from odradek.testing import BrokerProcess
from tests.faults.clients import create, produce
from tests.faults.reading import values

START_TIMEOUT_S = 30


def refused(*arguments: str) -> str:
    """The one line with which `odradek start` ends; the code it ends with is 1 (2 for a wrong command line)."""
    command = [sys.executable, "-m", "odradek", "start", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False)
    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if line]
    assert len(lines) == 1, ended.stderr
    return lines[0]


def refused_with(data_dir: Path, *settings: str) -> str:
    pairs = [part for setting in settings for part in ("--set", setting)]
    return refused("--listen", "127.0.0.1:0", "--data-dir", str(data_dir), *pairs)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    with BrokerProcess(data_dir=tmp_path / "data") as process:
        yield process


@pytest.fixture
def stopped(broker: BrokerProcess) -> Path:
    """The data of a broker that has written something and was stopped cleanly."""
    assert create(broker.bootstrap, "t") is None
    assert produce(broker.bootstrap, "t", b"a") is None
    broker.stop()
    return broker.data_dir


def test_a_second_start_on_the_same_data_names_the_process_and_its_address(broker: BrokerProcess) -> None:
    line = refused("--listen", "127.0.0.1:0", "--data-dir", str(broker.data_dir))
    assert str(broker.pid) in line
    assert broker.bootstrap in line
    assert produce(broker.bootstrap, "t", b"still served") is None


def test_an_address_in_use_says_what_to_do(broker: BrokerProcess, tmp_path: Path) -> None:
    line = refused("--listen", broker.bootstrap, "--data-dir", str(tmp_path / "other"))
    assert broker.bootstrap in line
    assert "--listen" in line


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("log.segment.byte=1048576", ["log.segment.byte", "log.segment.bytes"]),
        ("log.segment.bytes=many", ["log.segment.bytes", "many"]),
        ("log.segment.bytes=1", ["log.segment.bytes", "1"]),
        ("log.cleanup.policy=forget", ["log.cleanup.policy", "forget", "delete", "compact"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(tmp_path: Path, setting: str, named: list[str]) -> None:
    line = refused_with(tmp_path / "data", setting)
    assert all(word in line for word in named), line


@pytest.mark.parametrize(
    ("content", "named"),
    [("log.segment.bytes = [", "TOML"), ("[log.segment]\nbyte = 7", "log.segment.bytes"), (None, "config.toml")],
)
def test_a_wrong_configuration_file_is_named(tmp_path: Path, content: str | None, named: str) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_text(content)
    line = refused("--listen", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--config", str(path))
    assert named in line


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in refused_with(tmp_path / "data")


@pytest.mark.parametrize("content", [b"", b"cluster.id", b"\xff\xfe\x00", b"version=1\nnode.id=x\ncluster.id=y\n"])
def test_a_damaged_meta_properties_is_named(stopped: Path, content: bytes) -> None:
    (stopped / "meta.properties").write_bytes(content)
    assert "meta.properties" in refused_with(stopped)


def test_data_of_another_node_is_refused(stopped: Path) -> None:
    metadata = (stopped / "metadata.sqlite").read_bytes()
    line = refused("--listen", "127.0.0.1:0", "--data-dir", str(stopped), "--node-id", "7")
    assert "node 1" in line
    assert "7" in line
    assert (stopped / "metadata.sqlite").stat().st_size == len(metadata)
    with BrokerProcess(data_dir=stopped) as broker:
        assert values(broker.bootstrap, "t") == ["a"]


def test_a_newer_format_is_refused(stopped: Path) -> None:
    properties = (stopped / "meta.properties").read_text()
    assert "odradek.format=" in properties
    lines = ["odradek.format=999" if line.startswith("odradek.format=") else line for line in properties.splitlines()]
    (stopped / "meta.properties").write_text("\n".join(lines) + "\n")
    assert "999" in refused_with(stopped)


@pytest.mark.parametrize("size", [0, 100, 4096, 12_288])
def test_a_damaged_metadata_store_is_named(stopped: Path, size: int) -> None:
    path = stopped / "metadata.sqlite"
    content = path.read_bytes()
    path.write_bytes(bytes(range(256)) * 100 if size == 0 else content[:size])
    for leftover in stopped.glob("metadata.sqlite-*"):
        leftover.unlink()
    assert "metadata.sqlite" in refused_with(stopped)


def test_metadata_that_is_gone_is_not_replaced_by_an_empty_store(stopped: Path) -> None:
    """The partitions would become strays of a cluster that knows none of them."""
    for path in stopped.glob("metadata.sqlite*"):
        path.unlink()
    line = refused_with(stopped)
    assert "cluster" in line
    assert (stopped / "t-0").is_dir()


def test_a_directory_of_another_cluster_is_refused(stopped: Path, tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path / "other"):
        pass
    shutil.copy(tmp_path / "other" / "meta.properties", stopped / "meta.properties")
    assert "cluster" in refused_with(stopped)


def test_data_with_its_metadata_beside_it_is_not_moved_for_workers_on_etcd(broker: BrokerProcess) -> None:
    create(broker.bootstrap, "kept")
    assert produce(broker.bootstrap, "kept", b"value") is None
    broker.stop()
    elsewhere = ("--workers", "3", "--metadata", "etcd://127.0.0.1:1", "--listen", "127.0.0.1:0")
    line = refused("--data-dir", str(broker.data_dir), *elsewhere)
    assert "has its metadata in SQLite" in line
    broker.start()
    assert values(broker.bootstrap, "kept") == ["value"]
