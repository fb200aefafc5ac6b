"""The Java producer, consumer and admin client: one round each (`interop/java/ClientRound.java`)."""

import subprocess
from collections.abc import Callable

import pytest

from interop.java_clients.members import java_command
from interop.table import Tried

NewTopic = Callable[..., str]
NewName = Callable[[str], str]
Run = Callable[[str, str], None]

TIMEOUT_S = 90


@pytest.fixture
def run(bootstrap: str, tried: Tried) -> Run:
    """Runs a scenario on a topic."""
    tried.note("kafka-clients (Java)", [])

    def call(scenario: str, topic: str) -> None:
        command = java_command("ClientRound", bootstrap, scenario, topic)
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr

    return call


def test_writes_every_compression_idempotently_and_reads_all_back(run: Run, new_topic: NewTopic) -> None:
    run("produce-consume", new_topic())


def test_finds_positions_by_time_and_end_and_commits_them(run: Run, new_topic: NewTopic) -> None:
    run("positions", new_topic())


def test_administrates_topics_configuration_records_and_groups(run: Run, new_name: NewName) -> None:
    run("admin", new_name("administrated"))
