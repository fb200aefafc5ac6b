"""What `odradek cluster` makes of what it has seen, without a broker."""

import os
import socket
from dataclasses import replace
from types import SimpleNamespace

import pytest

from odradek.balancing.model import Blocked, Move, Plan, Transfer
from odradek.cli.cluster import removal_problem
from odradek.cli.cluster_report import broker_row, plan_lines, plan_of, plan_rows, state_of, status_lines, status_of
from odradek.cli.drain import held_bytes, progress_line, stuck
from odradek.cli.local_processes import _is_odradek, broker_pid, is_local, listening_pid
from odradek.cli.survey import PAUSED, Disks, SeenBroker, SeenPartition, Survey, disks_of
from odradek.cli.time_left import TimeLeft, in_words

GIB = 1 << 30
DISKS = Disks(10 * GIB, 4 * GIB, {("t", 0): GIB, ("t", 1): 2 * GIB})
BROKERS = tuple(SeenBroker(each, "h", 9000 + each, "r", False, DISKS) for each in (1, 2, 3))
SEEN = Survey(
    "c",
    1,
    BROKERS,
    (
        SeenPartition("t", 0, 1, (1, 2), (1, 2)),
        SeenPartition("t", 1, 2, (2, 3, 1), (2, 1), (3,), (1,)),
        SeenPartition("u", 0, -1, (3,), ()),
    ),
)


def nobody(host: str, port: int) -> None:
    """No process of this machine."""


def test_a_broker_is_in_one_of_four_states() -> None:
    drained = replace(SEEN, draining=frozenset([1, 2, 9]))
    assert [state_of(drained, each) for each in BROKERS] == ["draining", "draining", "up"]
    assert state_of(drained, SeenBroker(9, "h", 1, None, False)) == "drained"
    assert state_of(SEEN, replace(BROKERS[0], is_fenced=True)) == "down"


def test_status_counts_what_is_wrong_and_what_is_moving() -> None:
    report = status_of(SEEN, nobody)
    assert (report["partitions"], report["offline_partitions"], report["under_replicated_partitions"]) == (3, 1, 1)
    assert report["reassignments"] == [
        {"topic": "t", "partition": 1, "replicas": [2, 3, 1], "adding": [3], "removing": [1]}
    ]
    assert [(each["leaders"], each["replicas"]) for each in report["brokers"]] == [(1, 2), (1, 2), (0, 2)]
    lines = status_lines(report)
    assert lines[0] == "cluster c: 1 offline, 1 under-replicated"
    assert lines[1] == "3 brokers, controller 1; 3 partitions, 1 moving"


def test_a_broker_is_a_row_with_its_disk() -> None:
    report = status_of(SEEN, lambda host, port: port)
    assert broker_row(report["brokers"][0]) == [1, "h:9001", "r", "up", 1, 2, "60%", "10.0 GiB", 9001]
    unknown = status_of(replace(SEEN, brokers=(SeenBroker(1, "h", 1, None, True),)), nobody)
    assert broker_row(unknown["brokers"][0]) == [1, "h:1", None, "down", 1, 2, None, None, None]
    assert "1 broker down" in status_lines(unknown)[0]


def test_what_a_plan_is_made_from() -> None:
    state = replace(SEEN, draining=frozenset([2])).state()
    assert [each.is_draining for each in state.brokers.values()] == [False, True, False]
    first, moving, _ = state.partitions
    assert (first.size_bytes, first.is_moving) == (GIB, False)
    assert (moving.replicas, moving.is_moving, moving.size_bytes) == ((2, 3), True, 2 * GIB)


PLAN = Plan(
    (Transfer("t", 0, 1, 2, "broker 1 is drained"),),
    (
        Move("t", 0, (1, 2), (3, 2), GIB, "broker 1 is drained"),
        Move("t", 2, (1, 2), (2, 1), GIB, "broker 1 is the preferred leader of 5 partitions, broker 2 of 2"),
    ),
    (Blocked("u", 0, 3, "it has no leader to copy it from"),),
    (4,),
)


def test_a_plan_is_told_step_by_step_with_reasons() -> None:
    rows = plan_rows(PLAN)
    assert [row[:2] for row in rows] == [
        ["t-0", "leader 1 -> 2"], ["t-0", "replica 1 -> 3"], ["t-2", "first in line 2"],
    ]  # fmt: skip
    assert [row[2] for row in rows] == [0, f"{GIB:,}", "0"]
    assert plan_lines(replace(SEEN, settings={PAUSED: "true"}), PLAN) == [
        "u-0 cannot leave broker 3: it has no leader to copy it from",
        "nothing else is balanced while brokers are down: 4 (drain or remove one that stays away)",
        "balancing is paused, no replica begins to move: `odradek cluster resume`",
        "2 partitions to change, 1.0 GiB to copy",
    ]
    assert plan_of(SEEN, PLAN)["moves"][1]["bytes"] == 0


def test_what_is_left_of_a_broker_is_told_with_bytes_and_time() -> None:
    drained, left = replace(SEEN, draining=frozenset([1])), TimeLeft()
    assert held_bytes(drained, 1) == 3 * GIB
    assert progress_line(drained, 1, left, 100.0) == "broker 1: 2 replicas left, 3.0 GiB"
    less = replace(drained, partitions=drained.partitions[1:])
    assert progress_line(less, 1, left, 110.0) == "broker 1: 1 replica left, 2.0 GiB, about 20 s left"


def test_who_waits_for_a_broker_to_be_empty_hears_why_it_will_not_be() -> None:
    drained = replace(SEEN, draining=frozenset([3]))
    assert stuck(drained, 3) is None
    only = replace(drained, partitions=drained.partitions[2:])
    assert stuck(only, 3) == "1 replica cannot leave broker 3: u-0: it has no leader to copy it from"
    assert "resume" in (stuck(replace(drained, settings={PAUSED: "true"}), 3) or "")
    assert "no longer drained" in (stuck(SEEN, 3) or "")


def test_a_broker_is_removed_when_it_is_stopped_and_empty_or_by_force() -> None:
    down = replace(BROKERS[0], is_fenced=True)
    assert "is running" in (removal_problem(SEEN, BROKERS[0], True) or "")
    assert "has 2 replicas" in (removal_problem(SEEN, down, False) or "")
    assert removal_problem(SEEN, down, True) is None
    assert removal_problem(replace(SEEN, partitions=()), down, False) is None


def test_directories_of_one_volume_count_once() -> None:
    part = SimpleNamespace(partition_index=3, partition_size=7)
    topic = SimpleNamespace(name="t", partitions=(part,))
    one = SimpleNamespace(total_bytes=100, usable_bytes=40, topics=(topic,))
    other = SimpleNamespace(total_bytes=50, usable_bytes=1, topics=())
    failed = SimpleNamespace(total_bytes=-1, usable_bytes=-1, topics=())
    assert disks_of([one, one, other, failed]) == Disks(150, 41, {("t", 3): 7})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (5.4, "about 5 s left"), (600, "about 10 min left"), (9000, "about 2.5 h left")],
)
def test_time_left_in_words(seconds: float | None, words: str) -> None:
    assert in_words(seconds) == words


def test_time_left_begins_anew_when_there_is_suddenly_more() -> None:
    left = TimeLeft()
    assert [left.estimate_s(now, much) for now, much in ((0, 100), (1, 90), (2, 200), (3, 150))] == [None, 9, None, 3]


def test_the_process_that_listens_is_found_on_this_machine_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listening_pid("127.0.0.1", port) == os.getpid()
        assert listening_pid("192.0.2.1", port) is None
        assert broker_pid("127.0.0.1", port) is None
    assert listening_pid("127.0.0.1", port) is None
    assert is_local("localhost")


@pytest.mark.parametrize(
    ("command", "is_broker"),
    [
        ("python -m odradek start", True),
        ("/usr/bin/python3 -X dev -m odradek.supervisor.worker", True),
        ("/opt/venv/bin/python /opt/venv/bin/odradek start", True),
        ("/opt/venv/bin/odradek start", True),
        ("/home/odradek/bin/proxy 9092", False),
        ("ssh -L 9092:odradek:9092 odradek", False),
        ("python -m odradek_proxy", False),
    ],
)
def test_only_what_was_started_as_odradek_counts_as_a_broker(command: str, is_broker: bool) -> None:
    assert _is_odradek(command.split()) is is_broker
