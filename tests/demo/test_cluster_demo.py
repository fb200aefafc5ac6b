"""The cluster's demo, shortened, as a command; and what its screen makes of what it sees."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest

from odradek.demo.cluster_display import line_of, state_of
from odradek.demo.cluster_stage import ClusterPicture, Event
from odradek.demo.watching import View, view_of
from tests.demo.test_failing import first_flight, produce

COMMAND = [sys.executable, "-m", "odradek", "demo", "--cluster", "--records", "3000"]
TIMEOUT_S = 240
VIEW = View(
    frozenset([1, 3, 4]), 3, Counter({1: 3, 3: 2, 4: 1}), Counter({1: 6, 3: 6, 4: 6}), Counter({1: 6, 3: 6, 4: 5})
)
PICTURE = ClusterPicture(
    total=3000, stored=2000, group="dispatch", members=2, seen=1990, view=VIEW,
    addresses={each: f"127.0.0.1:{each}" for each in (1, 2, 3, 4, 5)}, draining=2,
    story=(Event(1.0, "kill -9 of broker 1"),), elapsed_s=7.0,
)  # fmt: skip


@pytest.mark.real_broker
def test_brokers_die_come_and_go_and_nothing_is_lost() -> None:
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    for group in ("dispatch", "audit"):
        assert f"{group}: saw each of 3,000 records, in produced order for every aircraft" in ended.stdout
    told = [line.partition("* ")[2] for line in ended.stdout.splitlines() if "* " in line]
    beginnings = [
        r"kill -9 of broker \d, which leads 2 of 6 partitions",
        r"every partition has a living leader again",
        r"broker \d is back, every copy is in sync",
        r"\$ odradek start --node-id 4",
        r"broker 4 has [1-9] of 18 copies by itself",
        r"\$ odradek cluster drain \d",
        r"broker \d is empty: it is stopped",
        r"\$ odradek cluster remove \d: three brokers go on",
        r"all 3,000 flights are stored and read",
    ]
    assert [bool(re.match(*pair)) for pair in zip(beginnings, told, strict=True)] == [True] * 9, told


@pytest.mark.real_broker
def test_a_flight_that_somebody_stores_again_makes_the_proof_fail() -> None:
    demo = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    found = re.search(r"are on (\S+),", demo.stdout.readline())
    assert found is not None
    assert "kill -9" in next(line for line in demo.stdout if "* " in line)
    brokers = SimpleNamespace(bootstrap=found[1])
    produce(brokers, "flights", *first_flight(brokers, "flights"))  # type: ignore[arg-type]
    out, err = demo.communicate(timeout=TIMEOUT_S)
    assert demo.returncode == 1
    assert err == "odradek: the proof failed\n"
    assert "audit: FAILED, of 3,000 records 1 stored twice" in out


def test_brokers_that_are_not_its_own_are_left_alone() -> None:
    command = [*COMMAND, "--bootstrap", "127.0.0.1:1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 2
    assert "takes no --bootstrap" in ended.stderr


def test_a_view_is_what_the_metadata_says_of_the_topic() -> None:
    def part(leader: int, replicas: list[int], isrs: list[int]) -> SimpleNamespace:
        return SimpleNamespace(leader=leader, replicas=replicas, isrs=isrs)

    metadata = SimpleNamespace(brokers={1: None, 2: None}, controller_id=2)
    view = view_of(metadata, [part(1, [1, 2, 3], [1, 2]), part(-1, [2], [])])
    assert (view.brokers, view.controller, view.leaders) == (frozenset([1, 2]), 2, Counter({1: 1, -1: 1}))
    assert (view.copies, view.in_sync) == (Counter({1: 1, 2: 2, 3: 1}), Counter({1: 1, 2: 1}))
    assert not view.is_whole
    assert view_of(metadata, [part(1, [1, 2], [2, 1])]).is_whole
    assert not View().is_whole


def test_the_screen_tells_who_is_up_who_leaves_and_who_is_gone() -> None:
    assert [state_of(PICTURE, each) for each in (1, 2, 5)] == ["up", "gone", "down"]
    leaving = replace(PICTURE, view=replace(VIEW, brokers=frozenset([1, 2])))
    assert [state_of(leaving, each) for each in (1, 2, 3)] == ["up", "draining", "down"]
    assert line_of(PICTURE) == (
        "stored 2,000 of 3,000; dispatch saw 1,990, lag 10; leaders 1:3 3:2 4:1; 17 of 18 copies in sync"
    )
    assert json.dumps(line_of(replace(PICTURE, seen=2005))).count("lag 0") == 1
