"""`odradek cluster survey` and `recover` without a cluster: what they say of what cannot be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from odradek.cli.recovery import as_json, lines_of, row_of
from odradek.cluster.ids import uuid_from_text
from odradek.cluster.records import PartitionRecord
from odradek.recovery.plan import PartitionPlan, RecoveryPlan
from odradek.recovery.report import PartitionReport, Report
from odradek.testing import BrokerProcess
from tests.faults.clients import create, produce

TOPIC_ID = "AAAAAAAAAAAAAAAAAAAABw"


def cluster(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "odradek", "cluster", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_survey_says_what_a_stopped_broker_has_and_leaves_it_as_it_was(tmp_path: Path) -> None:
    with BrokerProcess(data_dir=tmp_path / "data") as broker:
        create(broker.bootstrap, "flights")
        for _ in range(3):
            assert produce(broker.bootstrap, "flights", b"value") is None
        running = cluster("survey", "--data-dir", str(broker.data_dir))
        assert running.returncode == 1
        assert "in use by process" in running.stderr
        assert "stop it first" in running.stderr
        broker.kill()
        report = json.loads(cluster("survey", "--data-dir", str(broker.data_dir)).stdout)
        (flights,) = [each for each in report["partitions"] if each["topic"] == "flights"]
        assert (flights["log_start_offset"], flights["log_end_offset"], flights["partition"]) == (0, 3, 0)
        assert report["revision"] > 0
        written = cluster("survey", "--data-dir", str(broker.data_dir), "-o", str(tmp_path / "report"))
        assert written.stdout.startswith(f"broker {report['broker_id']} has")
        assert json.loads((tmp_path / "report").read_text()) == report
        broker.start()
        assert produce(broker.bootstrap, "flights", b"value") is None


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.json"
    file.write_bytes(Report("cluster", 1, 400, 90, -1).encode())
    return file


def test_a_directory_without_a_broker_has_nothing_to_tell(tmp_path: Path) -> None:
    refused = cluster("survey", "--data-dir", str(tmp_path / "empty"))
    assert refused.returncode == 1
    assert "no broker has been here" in refused.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is not a report of `odradek cluster survey`"),
        ("[]", "is not a report of `odradek cluster survey`"),
        ('{"cluster_id": "x"}', "missing required field `broker_id`"),
        ('{"cluster_id":"x","broker_id":1,"revision":1,"broker_epoch":1,"producer_id":1,"format":2}', "has format 2"),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "file").write_text(content)
    refused = cluster("recover", str(tmp_path / "file"), "--metadata", "etcd://127.0.0.1:1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_reports_of_one_broker_do_not_go_together(report: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(report.read_bytes())
    refused = cluster("recover", str(report), str(other), "--metadata", "etcd://127.0.0.1:1")
    assert "are both of broker 1" in refused.stderr


def test_metadata_in_sqlite_is_told_its_own_way(report: Path) -> None:
    refused = cluster("recover", str(report), "--metadata", "sqlite")
    assert refused.returncode == 1
    assert "odradek.metadata.restored.revision" in refused.stderr


def test_a_report_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused = cluster("recover", str(tmp_path / "none"), "--metadata", "etcd://127.0.0.1:1")
    assert refused.returncode == 1
    assert f"cannot read {tmp_path / 'none'}" in refused.stderr


def planned(index: int, best: int) -> PartitionPlan:
    found = None if best < 0 else PartitionReport("t", TOPIC_ID, index, 4, 10, 90)
    record = PartitionRecord((1, 2), -1, -1, 1005, (), last_leader=1)
    return PartitionPlan("t", uuid_from_text(TOPIC_ID), index, best, found, record)


def test_a_plan_is_shown_with_who_leads_and_what_is_lost() -> None:
    made = uuid_from_text(TOPIC_ID)
    plan = RecoveryPlan((planned(0, 1), planned(1, -1)), {made: "t"}, {}, ("a note",), {1: 400}, 1_400, 1_400, 1)
    assert lines_of(plan) == [
        "broker 1 leads 1 partition",
        "1 partition will be empty: no broker has a log of them",
        "a note",
    ]
    assert [row_of(each) for each in plan.partitions] == [
        ("t-0", "1", "1005", "10 to 90", "1,2"),
        ("t-1", "-", "1005", "none", "1,2"),
    ]
    shown = as_json(plan, is_done=True)
    assert (shown["done"], shown["topics_made"]) == (True, ["t"])
    assert [each["log_end_offset"] for each in shown["partitions"]] == [90, None]
