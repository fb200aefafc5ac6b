"""The pytest plugin, in test runs of its own."""

import subprocess
import sys
from pathlib import Path

SUITE = """
from confluent_kafka import Producer

def test_the_broker_takes_a_record(odradek_broker, odradek_topic):
    producer = Producer({"bootstrap.servers": odradek_broker.bootstrap})
    producer.produce(odradek_topic, "hello")
    assert producer.flush(30) == 0

def test_every_test_has_its_topic(odradek_broker, odradek_topic):
    assert odradek_topic.startswith("test-every-test-has-its-topic")
"""
FREE = """
import sys

def test_nothing_is_loaded():
    loaded = [name for name in sys.modules if name.startswith("odradek.")]
    assert sorted(loaded) == ["odradek.testing", "odradek.testing.plugin"]
    assert "confluent_kafka" not in sys.modules
"""


def run_suite(source: str, directory: Path) -> subprocess.CompletedProcess[str]:
    (directory / "test_suite.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "test_suite.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)


def test_fixtures_work_in_somebody_elses_project(tmp_path: Path) -> None:
    ended = run_suite(SUITE, tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_unused_the_plugin_loads_nothing(tmp_path: Path) -> None:
    ended = run_suite(FREE, tmp_path)
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
