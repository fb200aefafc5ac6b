"""Java consumers of the classic protocol in one group with each other and with librdkafka's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Protocol

import pytest

from interop.java_clients.members import JavaMember
from interop.kafka import Kafka
from interop.members import Member
from interop.table import Tried
from interop.waiting import wait_until

NewTopic = Callable[..., str]
NewName = Callable[[str], str]

PARTITIONS = 6
VALUES = [b"%d" % index for index in range(20)]


class GroupMember(Protocol):
    """What a Java and a librdkafka member have in common."""

    received: list[bytes]
    assignment: set[int]


@pytest.fixture(autouse=True)
def noted(tried: Tried) -> None:
    tried.note("kafka-clients (Java)", [])


@pytest.fixture
def open_members() -> Iterator[ExitStack]:
    with ExitStack() as members:
        yield members


def share(members: Sequence[GroupMember]) -> bool:
    """Whether every member owns partitions, each partition is owned, and by one member only."""
    owned = [partition for member in members for partition in sorted(member.assignment)]
    return all(member.assignment for member in members) and sorted(owned) == list(range(PARTITIONS))


def write(kafka: Kafka, topic: str, marker: bytes) -> set[bytes]:
    """Some records in every partition; returns their values."""
    written = set()
    for partition in range(PARTITIONS):
        values = [b"%s-%d-%s" % (marker, partition, value) for value in VALUES]
        kafka.produce(topic, values, partition=partition)
        written.update(values)
    return written


def received(members: Sequence[GroupMember]) -> list[bytes]:
    return [value for member in members for value in member.received]


@pytest.mark.parametrize("assignor", ["range", "roundrobin", "cooperative-sticky"])
def test_shares_a_group_with_librdkafka_by_every_assignor_both_have(
    kafka: Kafka, new_topic: NewTopic, new_name: NewName, open_members: ExitStack, assignor: str
) -> None:
    topic, group = new_topic(PARTITIONS), new_name("group")
    java = open_members.enter_context(JavaMember(kafka.bootstrap, group, topic, assignor=assignor))
    wait_until(lambda: share([java]), "the first member owns all")
    other = open_members.enter_context(Member(kafka.bootstrap, group, topic, assignor=assignor))
    wait_until(lambda: share([java, other]), "both share the partitions")
    first = write(kafka, topic, b"first")
    wait_until(lambda: set(received([java, other])) == first, "both together read all")
    assert len(received([java, other])) == len(first)
    java.leave()
    wait_until(lambda: share([other]), "the one that stays owns all")
    second = write(kafka, topic, b"second")
    wait_until(lambda: second <= set(other.received), "the one that stays reads all")


@pytest.mark.parametrize("assignor", ["range", "roundrobin", "sticky", "cooperative-sticky"])
def test_shares_a_group_among_java_consumers_by_every_assignor(
    kafka: Kafka, new_topic: NewTopic, new_name: NewName, open_members: ExitStack, assignor: str
) -> None:
    topic, group = new_topic(PARTITIONS), new_name("group")
    members = [
        open_members.enter_context(JavaMember(kafka.bootstrap, group, topic, assignor=assignor)) for _ in range(2)
    ]
    wait_until(lambda: share(members), "both share the partitions")
    written = write(kafka, topic, b"first")
    wait_until(lambda: set(received(members)) == written, "both together read all")
    members[0].leave()
    wait_until(lambda: share(members[1:]), "the one that stays owns all")
