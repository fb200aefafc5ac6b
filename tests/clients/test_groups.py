"""Consumer groups as clients drive them: shares, commits, static members, cooperative rebalancing, mixed libraries."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import permutations

import pytest

from tests.clients.absent import libraries_with
from tests.clients.vocabulary import Client, Member, Membership, Received, Sent

DEADLINE_S = 60.0
PARTITIONS = 6


def poll_until(members: Sequence[Member], condition: Callable[[list[Received]], bool]) -> list[Received]:
    """Polls the members until the condition on everything seen holds; fails after the deadline.

    Each has a thread, as in processes of their own: a member may wait in its poll for the others to join.
    """
    seen: list[Received] = []
    deadline = time.monotonic() + DEADLINE_S
    with ThreadPoolExecutor(len(members)) as threads:
        while not condition(seen):
            assert time.monotonic() < deadline, f"saw {len(seen)} records; assignments {assignments(members)}"
            for records in threads.map(lambda member: member.poll(), members):
                seen += records
    return seen


def assignments(members: Sequence[Member]) -> list[set[int]]:
    return [member.assignment() for member in members]


def share_evenly(members: Sequence[Member]) -> Callable[[list[Received]], bool]:
    """Every partition has one owner and every member has its share."""

    def holds(_: list[Received]) -> bool:
        owned = assignments(members)
        everything = sorted(partition for share in owned for partition in share)
        return everything == list(range(PARTITIONS)) and all(len(s) == PARTITIONS // len(members) for s in owned)

    return holds


@contextmanager
def closing(*members: Member) -> Iterator[None]:
    try:
        yield
    finally:
        for member in members:
            member.close()


def fill(client: Client, topic: str, count: int) -> None:
    client.produce(topic, [Sent(b"%d" % number, partition=number % PARTITIONS) for number in range(count)])


@pytest.mark.parametrize("assignor", ["range", "roundrobin"])
def test_two_members_share_a_topic_and_see_every_record_once(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str], assignor: str
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    first = client.join(Membership(group, (topic,), assignor))
    second = client.join(Membership(group, (topic,), assignor))
    with closing(first, second):
        poll_until([first, second], share_evenly([first, second]))
        fill(client, topic, 600)
        seen = poll_until([first, second], lambda records: len(records) >= 600)
    assert sorted(int(record.value or b"") for record in seen) == list(range(600))


def test_a_group_resumes_where_it_committed(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    fill(client, topic, 60)
    member = client.join(Membership(group, (topic,)))
    with closing(member):
        poll_until([member], lambda records: len(records) >= 60)
        member.commit()
    client.produce(topic, [Sent(b"new", partition=3)])
    successor = client.join(Membership(group, (topic,)))
    with closing(successor):
        seen = poll_until([successor], lambda records: len(records) >= 1)
    assert [(record.value, record.partition, record.offset) for record in seen] == [(b"new", 3, 10)]


def test_partitions_of_a_member_that_leaves_go_to_the_others(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    first = client.join(Membership(group, (topic,)))
    second = client.join(Membership(group, (topic,)))
    with closing(first):
        with closing(second):
            poll_until([first, second], share_evenly([first, second]))
        poll_until([first], lambda _: first.assignment() == set(range(PARTITIONS)))


def test_a_static_member_that_restarts_keeps_its_partitions(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    stays = client.join(Membership(group, (topic,), instance_id="stays", session_timeout_ms=30_000))
    restarts = client.join(Membership(group, (topic,), instance_id="restarts", session_timeout_ms=30_000))
    with closing(stays):
        poll_until([stays, restarts], share_evenly([stays, restarts]))
        owned_before, others = restarts.assignment(), stays.assignment()
        restarts.close()
        returned = client.join(Membership(group, (topic,), instance_id="restarts", session_timeout_ms=30_000))
        with closing(returned):
            poll_until([stays, returned], lambda _: returned.assignment() == owned_before)
            assert stays.assignment() == others


@pytest.mark.parametrize("client", libraries_with("cooperative assignor"), indirect=True)
def test_a_cooperative_rebalance_leaves_kept_partitions_running(
    client: Client, new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    first = client.join(Membership(group, (topic,), "cooperative"))
    with closing(first):
        poll_until([first], lambda _: len(first.assignment()) == PARTITIONS)
        second = client.join(Membership(group, (topic,), "cooperative"))
        with closing(second):
            kept_at_least: list[int] = []

            def settled(seen: list[Received]) -> bool:
                kept_at_least.append(len(first.assignment()))
                return share_evenly([first, second])(seen)

            poll_until([first, second], settled)
            assert min(kept_at_least) >= PARTITIONS // 2
            fill(client, topic, 60)
            seen = poll_until([first, second], lambda records: len(records) >= 60)
    assert sorted(int(record.value or b"") for record in seen) == list(range(60))


@pytest.mark.parametrize("order", [*permutations(libraries_with("cooperative assignor"))], ids=" leads ".join)
def test_libraries_share_one_cooperative_group(
    clients: dict[str, Client], new_topic: Callable[..., str], new_group: Callable[[], str], order: tuple[str, ...]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    first = clients[order[0]].join(Membership(group, (topic,), "cooperative"))
    with closing(first):
        poll_until([first], lambda _: len(first.assignment()) == PARTITIONS)
        second = clients[order[1]].join(Membership(group, (topic,), "cooperative"))
        with closing(second):
            poll_until([first, second], share_evenly([first, second]))
            fill(clients["confluent-kafka"], topic, 60)
            seen = poll_until([first, second], lambda records: len(records) >= 60)
    assert sorted(int(record.value or b"") for record in seen) == list(range(60))


def test_three_libraries_share_one_group(
    clients: dict[str, Client], new_topic: Callable[..., str], new_group: Callable[[], str]
) -> None:
    topic, group = new_topic(PARTITIONS), new_group()
    members = [client.join(Membership(group, (topic,), "roundrobin")) for client in clients.values()]
    with closing(*members):
        poll_until(members, share_evenly(members))
        fill(clients["confluent-kafka"], topic, 300)
        seen = poll_until(members, lambda records: len(records) >= 300)
        for member in members:
            member.commit()
    assert sorted(int(record.value or b"") for record in seen) == list(range(300))
