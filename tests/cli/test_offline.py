"""What the commands show while a log directory is gone: the healthy partitions, and how many are not."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from odradek.testing import BrokerProcess


def odradek(broker: BrokerProcess, *arguments: str) -> dict[str, object]:
    command = [sys.executable, "-m", "odradek", "--json", "-b", broker.bootstrap, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_status_and_lists_show_what_is_left_when_a_log_directory_is_gone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with BrokerProcess(data_dir=tmp_path / "data", settings={"log.dirs": f"{one},{two}"}) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        admin.create_topics([NewTopic("before", 2, 1)])["before"].result(timeout=30)
        shutil.rmtree(two)
        for number in range(2):
            admin.create_topics([NewTopic(f"after-{number}", 2, 1)])[f"after-{number}"].result(timeout=30)
        report = odradek(broker, "status")
        assert report["offline_partitions"] != 0
        assert len(odradek(broker, "topic", "list")["topics"]) == 3  # type: ignore[arg-type]
        assert odradek(broker, "topic", "describe", "after-0", "after-1")["topics"]
