"""A log directory's lock, identity and what the last process left."""

import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from odradek.host.posix import PosixFiles
from odradek.log.directory import AlreadyRunningError, LogDirectory
from odradek.log.properties import PropertiesError, parse_properties

DIRECTORY_ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
PROPERTIES = "cluster.id=c-1\ndirectory.id=ABEiM0RVZneImaq7zN3u_w\nnode.id=1\nodradek.format=1\nversion=1\n"

HOLD = """
import sys
from odradek.host.posix import PosixFiles
from odradek.log.directory import LogDirectory
directory = LogDirectory(PosixFiles(), sys.argv[1])
directory.lock(int(sys.argv[2]), "127.0.0.1:9092")
print("locked", flush=True)
sys.stdin.read()
"""


def directory_in(path: Path) -> LogDirectory:
    """Locked, with what is there read."""
    directory = LogDirectory(PosixFiles(), str(path))
    directory.lock(1, "here:9092")
    directory.read_state("boot-1")
    return directory


def restarted(directory: LogDirectory, boot_id: str = "boot-1") -> LogDirectory:
    """The next process in the same directory."""
    directory.close()
    successor = LogDirectory(directory.files, directory.path)
    successor.lock(2, "here:9092")
    successor.read_state(boot_id)
    return successor


def test_a_second_process_is_told_who_holds_the_directory(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "4711"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(AlreadyRunningError) as refused:
            LogDirectory(PosixFiles(), str(tmp_path)).lock(1, "here:9092")
        holder.kill()
    assert (refused.value.pid, refused.value.address) == ("4711", "127.0.0.1:9092")
    assert str(refused.value) == f"{tmp_path} is in use by process 4711 listening on 127.0.0.1:9092"


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "4711"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        holder.kill()
        holder.wait()
    directory_in(tmp_path).close()


def test_the_address_can_be_announced_later(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.write_holder(1, "here:40123")
    with pytest.raises(AlreadyRunningError, match="process 1 listening on here:40123"):
        LogDirectory(PosixFiles(), str(tmp_path)).lock(2, "")
    directory.close()


def test_a_new_directory_is_made_with_its_parents_and_gets_an_identity(tmp_path: Path) -> None:
    directory = directory_in(tmp_path / "var" / "lib" / "logs")
    assert directory.properties is None
    directory.identify("c-1", 1, DIRECTORY_ID)
    directory.close()
    assert (tmp_path / "var" / "lib" / "logs" / "meta.properties").read_text() == PROPERTIES


def test_the_directory_id_stays(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.identify("c-1", 1, DIRECTORY_ID)
    successor = restarted(directory)
    successor.identify("c-1", 1, UUID(int=5))
    successor.close()
    assert (tmp_path / "meta.properties").read_text() == PROPERTIES


@pytest.mark.parametrize(
    ("cluster_id", "node_id", "message"),
    [("c-2", 1, "belongs to cluster c-1, not c-2"), ("c-1", 2, "belongs to node 1, not 2")],
)
def test_somebody_elses_directory_is_refused(tmp_path: Path, cluster_id: str, node_id: int, message: str) -> None:
    (tmp_path / "meta.properties").write_text(PROPERTIES)
    directory = directory_in(tmp_path)
    with pytest.raises(PropertiesError, match=message):
        directory.identify(cluster_id, node_id, DIRECTORY_ID)
    directory.close()


def test_a_newer_format_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "meta.properties").write_text(PROPERTIES.replace("format=1", "format=2"))
    directory = LogDirectory(PosixFiles(), str(tmp_path))
    directory.lock(1, "")
    with pytest.raises(PropertiesError) as refused:
        directory.read_state("boot-1")
    directory.close()
    assert "odradek.format=2 was written by a newer release" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_older_format_is_upgraded_and_its_properties_kept(tmp_path: Path) -> None:
    older = PROPERTIES.replace("format=1", "format=0")
    (tmp_path / "meta.properties").write_text(older)
    directory = directory_in(tmp_path)
    directory.identify("c-1", 1, UUID(int=5))
    directory.close()
    assert (tmp_path / "meta.properties").read_text() == PROPERTIES
    assert (tmp_path / "meta.properties.bak-0").read_text() == older


def test_kafkas_comments_and_escapes_are_read() -> None:
    properties = parse_properties(b"#\n#Mon Nov 23 00:00:00 UTC 2026\n" + PROPERTIES.encode() + b"\n")
    assert (properties.cluster_id, properties.node_id, properties.directory_id) == ("c-1", 1, DIRECTORY_ID)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version=1", "version=7", "version=7 is unknown"),
        ("version=1", "", "version is missing"),
        ("node.id=1", "node.id=one", "node.id=one is not a number"),
        ("node.id=1", "node.id=" + "9" * 5000, "is not a number"),
        ("ABEiM0RVZneImaq7zN3u_w", "short", "directory.id=short is not an id"),
        ("cluster.id=c-1", "cluster.id=", "cluster.id is missing"),
        ("odradek.format=1", "", "odradek.format is missing"),
    ],
)
def test_damaged_properties_are_refused_by_name(old: str, new: str, message: str) -> None:
    with pytest.raises(PropertiesError, match=message):
        parse_properties(PROPERTIES.replace(old, new).encode())


def test_after_a_clean_stop_nothing_needs_to_be_scanned_and_the_epoch_is_known(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.begin_writing("boot-1")
    directory.mark_clean(42, "0a1b2c3d")
    marker = '{"version":0,"brokerEpoch":42,"odradekInventory":"0a1b2c3d"}'
    assert (tmp_path / ".kafka_cleanshutdown").read_text() == marker
    successor = restarted(directory)
    assert (successor.clean, successor.proof.epoch, successor.inventory) == (True, 42, "0a1b2c3d")
    successor.close()


@pytest.mark.parametrize(
    ("marker", "epoch"), [(b'{"version":0,"brokerEpoch":7}', 7), (b"", -1), (b"[]", -1), (b'{"brokerEpoch":"7"}', -1)]
)
def test_a_marker_of_kafka_or_of_nobody_names_no_inventory(tmp_path: Path, marker: bytes, epoch: int) -> None:
    directory = directory_in(tmp_path)
    (tmp_path / ".kafka_cleanshutdown").write_bytes(marker)
    successor = restarted(directory)
    assert (successor.clean, successor.proof.epoch, successor.inventory) == (True, epoch, "")
    successor.close()


def test_a_stop_is_unclean_from_the_moment_writing_begins(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.begin_writing("boot-1")
    directory.mark_clean(42, "0a1b2c3d")
    successor = restarted(directory)
    successor.begin_writing("boot-1")
    last = restarted(successor)
    assert (last.clean, last.proof.epoch, last.same_boot) == (False, -1, True)
    last.close()


def test_another_boot_id_is_a_power_loss(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.begin_writing("boot-1")
    successor = restarted(directory, "boot-2")
    assert not successor.same_boot
    successor.close()


def test_a_process_that_dies_while_recovering_from_a_power_loss_leaves_a_power_loss(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.begin_writing("boot-1")
    recovering = restarted(directory, "boot-2")
    recovering.identify("c-1", 1, DIRECTORY_ID)
    successor = restarted(recovering, "boot-2")
    assert not successor.same_boot
    successor.close()


def test_an_unknown_boot_id_never_equals_another(tmp_path: Path) -> None:
    directory = directory_in(tmp_path)
    directory.begin_writing("")
    successor = restarted(directory, "")
    assert not successor.same_boot
    successor.close()
