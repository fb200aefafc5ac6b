"""The units for systemd: what it would complain about, nobody has to find out on a server."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.not_run import PREFIX

PACKAGING = Path(__file__).parents[2] / "packaging"


@pytest.mark.parametrize("unit", sorted(each.name for each in PACKAGING.glob("*.service")))
def test_systemd_finds_nothing_wrong_with_a_unit(unit: str) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip(f"{PREFIX}systemd-analyze is not installed")  # No error: nothing of Odradek needs systemd.
    done = subprocess.run([verify, "verify", str(PACKAGING / unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_units_of_all_kinds_are_there() -> None:
    assert {each.stem for each in PACKAGING.glob("*.service")} == {"odradek", "odradek-cluster", "odradek-etcd"}
