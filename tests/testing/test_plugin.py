"""The pytest plugin, in test runs of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

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


def run_suite(source: str, directory: Path, *more: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_suite.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *more, "test_suite.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)


def test_fixtures_work_in_somebody_elses_project(tmp_path: Path) -> None:
    ended = run_suite(SUITE, tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_unused_the_plugin_loads_nothing(tmp_path: Path) -> None:
    ended = run_suite(FREE, tmp_path)
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr


SETTINGS = """
import pytest

@pytest.fixture(scope="session")
def odradek_settings():
    return {"num.partitions": 3}

def partitions(broker):
    from confluent_kafka.admin import AdminClient
    from odradek.testing.topics import create_topic
    return AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(create_topic(broker.bootstrap, "t", -1))

def test_the_factory_starts_brokers_like_the_sessions(odradek_broker_factory):
    assert len(partitions(odradek_broker_factory()).topics["t"].partitions) == 3

def test_a_broker_may_differ(odradek_broker_factory):
    assert len(partitions(odradek_broker_factory(settings={"num.partitions": 2})).topics["t"].partitions) == 2
"""


def test_every_broker_of_a_session_has_the_settings_of_its_conftest(tmp_path: Path) -> None:
    ended = run_suite(SETTINGS, tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readmes_example_passes_as_it_stands(tmp_path: Path, name: str) -> None:
    (example,) = re.findall(r"```python\n([^`]*from odradek\.testing.*?)```", (ROOT / name).read_text(), re.S)
    ended = run_suite(example, tmp_path)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_tests_in_parallel_have_brokers_of_their_own(tmp_path: Path) -> None:
    ended = run_suite(SUITE, tmp_path, "-n", "2")
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
