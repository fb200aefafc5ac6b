"""An older backup of the metadata, put back beside newer data, is noticed; accepted, it deletes and repeats nothing."""

import re
import shutil
from pathlib import Path

import pytest

from odradek.testing import BrokerFailedError, BrokerProcess
from tests.faults.clients import create, produce, topics
from tests.faults.reading import values

SETTING = "odradek.metadata.restored.revision"


def copy_metadata(data_dir: Path, backup: Path) -> None:
    backup.mkdir()
    for path in data_dir.glob("metadata.sqlite*"):
        shutil.copy(path, backup / path.name)


def put_back(backup: Path, data_dir: Path) -> None:
    for path in data_dir.glob("metadata.sqlite*"):
        path.unlink()
    for path in backup.iterdir():
        shutil.copy(path, data_dir / path.name)


@pytest.fixture
def restored(tmp_path: Path) -> Path:
    """Data of a broker killed long after the metadata beside it was copied."""
    with BrokerProcess(data_dir=tmp_path / "data") as broker:
        create(broker.bootstrap, "kept")
        assert produce(broker.bootstrap, "kept", b"before") is None
        broker.stop()
        copy_metadata(broker.data_dir, tmp_path / "backup")
        for _ in range(3):
            broker.start()
            assert produce(broker.bootstrap, "kept", b"after") is None
            broker.kill()
        broker.start()
        create(broker.bootstrap, "unknown")
        assert produce(broker.bootstrap, "unknown", b"not to be lost") is None
        broker.kill()
    put_back(tmp_path / "backup", tmp_path / "data")
    return tmp_path / "data"


def refusal(data_dir: Path) -> str:
    with pytest.raises(BrokerFailedError) as refused, BrokerProcess(data_dir=data_dir):
        pass
    return str(refused.value).splitlines()[-1]


def test_a_start_beside_newer_data_is_refused_in_one_line_and_changes_nothing(restored: Path) -> None:
    before = sorted(path.name for path in restored.iterdir() if path.is_dir())
    line = refusal(restored)
    assert "metadata.sqlite is an older backup" in line
    assert re.search(rf"--set {SETTING}=\d+", line)
    assert sorted(path.name for path in restored.iterdir() if path.is_dir()) == before
    assert refusal(restored) == line


def test_the_newer_file_put_back_goes_on_as_if_nothing_had_been(restored: Path, tmp_path: Path) -> None:
    """The backup of the backup: what an operator does who noticed the mistake."""
    copy_metadata(restored, tmp_path / "older")
    revision = re.search(rf"{SETTING}=(\d+)", refusal(restored))
    assert revision is not None
    with BrokerProcess(data_dir=restored, settings={SETTING: revision[1]}) as broker:
        broker.stop()
        copy_metadata(restored, tmp_path / "newer")
        put_back(tmp_path / "older", restored)
        assert "is an older backup" in refusal(restored)
        put_back(tmp_path / "newer", restored)
    with BrokerProcess(data_dir=restored) as broker:
        assert values(broker.bootstrap, "kept") == ["before", "after", "after", "after"]


def test_accepted_it_serves_what_it_knows_and_sets_the_rest_aside(restored: Path) -> None:
    revision = re.search(rf"{SETTING}=(\d+)", refusal(restored))
    assert revision is not None
    with BrokerProcess(data_dir=restored, settings={SETTING: revision[1]}) as broker:
        assert topics(broker.bootstrap) == {"kept"}
        assert values(broker.bootstrap, "kept") == ["before", "after", "after", "after"]
        assert produce(broker.bootstrap, "kept", b"again") is None
        assert values(broker.bootstrap, "kept")[-1] == "again"
        (stray,) = restored.glob("unknown-0.*-stray")
        assert b"not to be lost" in (stray / "00000000000000000000.log").read_bytes()
        assert str(restored / "unknown-0") in broker.log
    with BrokerProcess(data_dir=restored) as broker:
        assert values(broker.bootstrap, "kept")[-1] == "again"
        assert stray.exists()


def test_leader_epochs_never_go_back(restored: Path) -> None:
    """The checkpoint of `kept` names epochs of starts that the backup has not seen."""
    checkpoint = restored / "kept-0" / "leader-epoch-checkpoint"
    seen = [int(line.split()[0]) for line in checkpoint.read_text().splitlines()[2:]]
    revision = re.search(rf"{SETTING}=(\d+)", refusal(restored))
    assert revision is not None
    with BrokerProcess(data_dir=restored, settings={SETTING: revision[1]}) as broker:
        assert produce(broker.bootstrap, "kept", b"again") is None
        broker.stop()
    epochs = [int(line.split()[0]) for line in checkpoint.read_text().splitlines()[2:]]
    assert epochs[: len(seen)] == seen
    assert epochs[-1] > seen[-1]
