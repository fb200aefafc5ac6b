"""What a directory proves: that nothing was lost since the process that is registered with the cluster."""

from pathlib import Path

import pytest

from odradek.host.posix import PosixFiles
from odradek.log import life
from odradek.log.directory import LogDirectory, distrust_cache

FILES = PosixFiles()


def test_the_next_process_on_the_same_kernel_finds_the_name_of_the_last_one(tmp_path: Path) -> None:
    life.begin(FILES, str(tmp_path), "boot-1", "kafka-1")
    life.begin(FILES, str(tmp_path), "boot-1", "kafka-2")
    assert life.read(FILES, str(tmp_path), "boot-1") == "kafka-2"


@pytest.mark.parametrize("boot_id", ["boot-2", ""])
def test_after_the_power_was_off_nothing_is_proven(tmp_path: Path, boot_id: str) -> None:
    life.begin(FILES, str(tmp_path), "boot-1", "kafka-1")
    assert life.read(FILES, str(tmp_path), boot_id) == ""


def test_a_system_that_does_not_say_when_it_booted_proves_nothing(tmp_path: Path) -> None:
    life.begin(FILES, str(tmp_path), "", "kafka-1")
    assert life.read(FILES, str(tmp_path), "") == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b'{"boot":"boot-1"}', b'{"incarnation":"x"}', b"\xff\xfe"])
def test_a_damaged_file_proves_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / life.LIFE).write_bytes(content)
    assert life.read(FILES, str(tmp_path), "boot-1") == ""


def test_after_an_io_error_nothing_is_proven(tmp_path: Path) -> None:
    directory = LogDirectory(FILES, str(tmp_path))
    directory.begin_life("boot-1", "kafka-1")
    directory.begin_writing("boot-1")
    directory.close()
    distrust_cache(FILES, str(tmp_path))
    successor = LogDirectory(FILES, str(tmp_path))
    successor.read_state("boot-1")
    assert successor.proof == life.NO_PROOF


def test_a_crash_of_the_process_alone_proves_everything_since_its_registration(tmp_path: Path) -> None:
    directory = LogDirectory(FILES, str(tmp_path))
    directory.begin_life("boot-1", "kafka-1")
    directory.begin_writing("boot-1")
    directory.close()
    successor = LogDirectory(FILES, str(tmp_path))
    successor.read_state("boot-1")
    assert successor.proof == life.Proof(-1, "kafka-1")
