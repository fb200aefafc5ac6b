"""The whole demo, shortened, as a command."""

import json
import subprocess
import sys

import pytest

from odradek.testing import BrokerProcess

COMMAND = [sys.executable, "-m", "odradek", "demo", "--records", "3000"]


@pytest.mark.real_broker
def test_it_proves_both_groups_with_a_broker_of_its_own() -> None:
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=110, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "dispatch: saw each of 3,000 records, in produced order for every aircraft" in ended.stdout
    assert "maintenance: saw each of 3,000 records, in produced order for every aircraft" in ended.stdout
    assert "maintenance (3 consumers)" in ended.stdout


@pytest.mark.real_broker
def test_on_a_given_broker_it_leaves_nothing_behind(odradek_broker: BrokerProcess) -> None:
    command = [*COMMAND, "--json", "--bootstrap", odradek_broker.bootstrap]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    assert report["proven"] is True
    assert [group["seen"] for group in report["groups"]] == [3000, 3000]

    status = [sys.executable, "-m", "odradek", "status", "--json", "--bootstrap", odradek_broker.bootstrap]
    left = json.loads(subprocess.run(status, capture_output=True, text=True, timeout=60, check=True).stdout)
    names = [topic["name"] for topic in left["topics"]] + [group["group"] for group in left["groups"]]
    assert not [name for name in names if name.startswith("odradek-demo")]
