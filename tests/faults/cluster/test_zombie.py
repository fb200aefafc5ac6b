"""A leader that stands still for longer than its lease and then goes on as if nothing had been."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Producer

from tests.faults.cluster.brokers import RECOVERY_S, Brokers
from tests.faults.cluster.checking import PARTITIONS, goes_on, under_load, wait_for_another_leader
from tests.faults.cluster.selection import takes_long
from tests.faults.load import GIVE_UP_S, Load
from tests.faults.waiting import wait_for
from tests.support.history import Acknowledged, Partition, Sent

RECORDS = 50


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class LastWords:
    """Records for which one replica is enough, sent to a leader that stands still: it finds them when it goes on."""

    def __init__(self, bootstrap: str, load: Load, partition: Partition, acks: str) -> None:
        self._load, self._partition = load, partition
        self.name = f"last words {acks}"
        self.told = 0
        settings = {"acks": acks, "retries": 0, "linger.ms": 0, "message.timeout.ms": GIVE_UP_S * 1000, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **settings})
        self._producer.list_topics(timeout=RECOVERY_S)
        self.send("first", 1)
        assert self._producer.flush(RECOVERY_S) == 0

    def send(self, word: str, count: int) -> None:
        for number in range(count):
            value = f"{self.name}:{word}:{number}"
            self._load.history.add(Sent(self.name, self._partition, value))
            topic, index = self._partition
            self._producer.produce(topic, value, partition=index, on_delivery=self._told(value))
        self._producer.poll(0.5)

    def _told(self, value: str) -> Any:
        def told(error: Any, message: Any) -> None:
            self.told += 1
            if error is None:
                self._load.history.add(Acknowledged(self._partition, value, message.offset()))

        return told

    def wait_for_answers(self) -> None:
        assert self._producer.flush(GIVE_UP_S) == 0


@takes_long
def test_what_a_leader_finds_when_it_wakes_up_after_its_lease_is_refused_or_kept(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        zombie = view.leader(("load", 0))
        led = [place for place, leader in view.leaders().items() if leader == zombie and place[0] == "load"]
        words = [LastWords(brokers.bootstrap, load, place, acks) for place in led for acks in ("1", "all")]
        with standing_still(brokers[zombie].pid):
            for each in words:
                each.send("last", RECORDS)
            for place in led:
                wait_for_another_leader(view, place, zombie)
            goes_on(load, 20 * PARTITIONS)
        for each in words:
            each.wait_for_answers()
        goes_on(load)
        wait_for("the awoken broker to be back", view.is_whole, RECOVERY_S)


@takes_long
def test_a_controller_that_stands_still_is_succeeded_and_decides_nothing_afterwards(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        old = view.controller()
        with standing_still(brokers[old].pid):
            wait_for("another controller", lambda: view.controller() != old, RECOVERY_S)
            goes_on(load)
        view.wait_until_whole()


STILL_S, GOES_ON_S = 2.5, 0.5
"""Less than a lease each time, and most of the time."""


@contextmanager
def stuttering(pid: int) -> Iterator[None]:
    """The process gets no processor for most of the time."""
    is_over = threading.Event()

    def stutter() -> None:
        while not is_over.wait(GOES_ON_S):
            with standing_still(pid):
                is_over.wait(STILL_S)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@takes_long
def test_a_leader_that_stands_still_again_and_again_lets_others_lead_until_it_is_well(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        slow = view.leader(("load", 0))
        with stuttering(brokers[slow].pid):
            wait_for_another_leader(view, ("load", 0), slow)
            goes_on(load)
        assert "This broker is gray" in brokers[slow].log
        view.wait_until_whole()
