"""The broker needs neither root nor a writable root file system, only its data directory."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from odradek.testing import BrokerFailedError, BrokerProcess
from tests.faults.clients import create, produce
from tests.faults.machine import WrappedBroker, require_root, small_disk
from tests.faults.reading import values
from tests.support.not_run import not_run

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
READ_ONLY_ROOT = ["unshare", "--mount", "sh", "-c", 'mount -o remount,ro,bind / && exec "$@"', "sh"]


def serves_over_a_restart(broker: BrokerProcess) -> None:
    assert create(broker.bootstrap, "t") is None
    assert produce(broker.bootstrap, "t", b"a") is None
    broker.restart()
    assert values(broker.bootstrap, "t") == ["a"]


def require_another_user() -> None:
    """Nobody can be become, and can run this interpreter: not one below a directory that only root may enter."""
    require_tool("setpriv")
    tried = subprocess.run([*AS_NOBODY, sys.executable, "-c", "import odradek"], capture_output=True, text=True)
    if tried.returncode:
        not_run(f"another user cannot run {sys.executable}: {tried.stderr.strip().splitlines()[-1]}")


def require_tool(name: str) -> None:
    require_root()
    if shutil.which(name) is None:
        not_run(f"{name} is not installed")


def test_it_runs_as_an_ordinary_user() -> None:
    require_another_user()
    with small_disk(128) as disk:
        data = disk.path / "data"
        data.mkdir()
        os.chown(data, NOBODY, NOBODY)
        disk.path.chmod(0o755)
        with WrappedBroker(AS_NOBODY, data) as broker:
            serves_over_a_restart(broker)
            assert all(path.stat().st_uid == NOBODY for path in data.rglob("*"))


def test_it_runs_on_a_read_only_root() -> None:
    require_tool("unshare")
    with small_disk(128) as disk, WrappedBroker(READ_ONLY_ROOT, disk.path / "data") as broker:
        serves_over_a_restart(broker)


def test_a_directory_it_may_not_write_is_named() -> None:
    require_another_user()
    with small_disk(16) as disk:
        disk.path.chmod(0o755)
        data: Path = disk.path / "data"
        data.mkdir()
        process = WrappedBroker(AS_NOBODY, data)
        try:
            with pytest.raises(BrokerFailedError):
                process.start()
            line = process.log.strip().splitlines()[-1]
            assert str(data) in line
            assert "ermission" in line
        finally:
            process.close()
