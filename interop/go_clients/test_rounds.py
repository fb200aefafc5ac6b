"""franz-go and sarama: produce, consume, share a group, administrate (`interop/go`)."""

import subprocess
from collections.abc import Callable

import pytest

from interop.compiled import go_program
from interop.table import Tried

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

LIBRARIES = {"franz": "franz-go", "sarama": "sarama"}
TIMEOUT_S = 90


@pytest.fixture(params=sorted(LIBRARIES), ids=LIBRARIES.get)
def run(request: pytest.FixtureRequest, bootstrap: str, tried: Tried) -> Callable[[str, str], str]:
    """Runs a scenario of one library on a topic; returns what it printed."""
    program = go_program(request.param)
    tried.note(f"{LIBRARIES[request.param]} (Go)", [])

    def call(scenario: str, topic: str) -> str:
        done = subprocess.run([program, bootstrap, scenario, topic], capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_writes_with_every_compression_and_reads_all_back_in_order(
    run: Callable[[str, str], str], new_topic: NewTopic
) -> None:
    run("produce-consume", new_topic())


def test_two_members_share_a_group_and_commit(run: Callable[[str, str], str], new_topic: NewTopic) -> None:
    run("group", new_topic(4))


def test_administrates_topics_configuration_records_and_groups(
    run: Callable[[str, str], str], new_name: NewName
) -> None:
    assert run("admin", new_name("administrated")).splitlines()[-1] == "delete the topic"
