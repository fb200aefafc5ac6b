"""In-sync replicas as their leaders change them: compared with everything that makes the change safe."""

import random
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from odradek.cluster.cluster import Cluster
from odradek.cluster.image import PartitionImage, TopicImage
from odradek.cluster.in_sync import IsrChange, Outcome, given_up, with_isr
from odradek.cluster.results import NewTopic
from odradek.metastore.memory import Fault, Faults, MemoryServer
from odradek.metastore.store import Operation
from tests.cluster.clusters import kill, partition, play, start, until

ALL = (0, 1, 2)


def test_who_leaves_below_min_isr_stays_eligible() -> None:
    before = partition([0, 1, 2], leader=(0, 1), isr=[(0, 1), (1, 2)], elr=[(2, 3)], min_isr=2)
    record = with_isr(before, ((0, 1),))
    assert (record.isr, record.elr) == (((0, 1),), ((2, 3), (1, 2)))
    assert (record.leader, record.leader_epoch) == (0, before.leader_epoch)


def test_nobody_is_eligible_beside_an_isr_that_is_large_enough() -> None:
    before = partition([0, 1, 2], leader=(0, 1), isr=[(0, 1)], elr=[(1, 2), (2, 3)], min_isr=2)
    record = with_isr(before, ((0, 1), (1, 5)))
    assert (record.isr, record.elr) == (((0, 1), (1, 5)), ())


async def three_brokers(server: MemoryServer, partitions: int = 1) -> tuple[Cluster, Cluster, Cluster]:
    found = (await start(server, 0), await start(server, 1), await start(server, 2))
    assignments = [(index, ALL) for index in range(partitions)]
    (made,) = await found[0].create_topics([NewTopic("t", assignments=assignments)])
    assert made.message is None
    return found


def topic_of(cluster: Cluster) -> TopicImage:
    return cluster.image.topics["t"]


def change_of(cluster: Cluster, isr: Sequence[int], index: int = 0, **epochs: int) -> IsrChange:
    topic = topic_of(cluster)
    entries = tuple((each, epochs.get(f"of_{each}", cluster.image.brokers[each].epoch)) for each in isr)
    return IsrChange(topic.topic_id, index, topic.partitions[index], entries)


async def stop(*clusters: Cluster) -> None:
    for each in clusters:
        await each.stop()


def isr_of(image: PartitionImage) -> tuple[int, ...]:
    return image.isr


def test_a_leader_changes_many_partitions_at_once_and_sees_it_on_return() -> None:
    async def scenario() -> None:
        leader, *others = await three_brokers(MemoryServer(), partitions=150)
        changes = [change_of(leader, (0, 1), index) for index in range(150)]
        assert await leader.change_isr(changes) == [Outcome.COMMITTED] * 150
        assert {isr_of(each) for each in topic_of(leader).partitions} == {(0, 1)}
        await stop(*others, leader)

    play(scenario)


def test_a_change_on_top_of_an_old_state_is_refused_and_the_others_with_it_are_not() -> None:
    async def scenario() -> None:
        leader, *others = await three_brokers(MemoryServer(), partitions=3)
        old = change_of(leader, (0, 1), 1)
        assert await leader.change_isr([change_of(leader, (0, 2), 1)]) == [Outcome.COMMITTED]
        outcomes = await leader.change_isr([change_of(leader, (0,), 0), old, change_of(leader, (0,), 2)])
        assert outcomes == [Outcome.COMMITTED, Outcome.REFUSED, Outcome.COMMITTED]
        assert [isr_of(each) for each in topic_of(leader).partitions] == [(0,), (0, 2), (0,)]
        await stop(*others, leader)

    play(scenario)


def test_nobody_joins_in_an_earlier_life() -> None:
    """KIP-903: its log may have been lost in between."""

    async def scenario() -> None:
        server = MemoryServer()
        leader, second, third = await three_brokers(server)
        assert await leader.change_isr([change_of(leader, (0, 1))]) == [Outcome.COMMITTED]
        earlier = leader.image.brokers[2].epoch
        await kill(third)
        third = await start(server, 2)
        await until(leader, lambda image: image.brokers[2].epoch != earlier and not image.brokers[2].fenced)
        assert await leader.change_isr([change_of(leader, ALL, of_2=earlier)]) == [Outcome.REFUSED]
        assert await leader.change_isr([change_of(leader, ALL)]) == [Outcome.COMMITTED]
        await stop(second, third, leader)

    play(scenario)


def test_a_broker_that_left_does_not_join() -> None:
    async def scenario() -> None:
        leader, second, third = await three_brokers(MemoryServer())
        assert await leader.change_isr([change_of(leader, (0, 1))]) == [Outcome.COMMITTED]
        await third.stop()
        await until(leader, lambda image: image.brokers[2].fenced)
        assert await leader.change_isr([change_of(leader, ALL)]) == [Outcome.REFUSED]
        await stop(second, leader)

    play(scenario)


def test_a_leader_that_registered_anew_changes_nothing_it_saw_before() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        leader, *others = await three_brokers(server)
        seen = change_of(leader, (0, 1))
        server.expire_all_leases()
        await until(leader, lambda image: image.topics["t"].partitions[0].mod_revision != seen.before.mod_revision)
        assert await leader.change_isr([seen]) == [Outcome.REFUSED]
        await stop(*others, leader)

    play(scenario)


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.REFUSED])
def test_a_reply_that_is_lost_is_found_out(fault: Fault) -> None:
    async def scenario() -> None:
        faulty: list[Fault] = []

        def script(operations: Sequence[Operation]) -> Fault:
            return faulty.pop() if faulty else Fault.NONE

        server = MemoryServer(faults=Faults(random.Random(1), script=script))
        leader, *others = await three_brokers(server)
        faulty.append(fault)
        assert await leader.change_isr([change_of(leader, (0, 1))]) == [Outcome.COMMITTED]
        assert isr_of(topic_of(leader).partitions[0]) == (0, 1)
        await stop(*others, leader)

    play(scenario)


def test_a_topic_that_is_gone_is_refused() -> None:
    async def scenario() -> None:
        leader, *others = await three_brokers(MemoryServer())
        change = change_of(leader, (0, 1))
        assert await leader.change_isr([replace(change, topic_id=UUID(int=9))]) == [Outcome.REFUSED]
        await stop(*others, leader)

    play(scenario)


def giving_up(cluster: Cluster, index: int = 0) -> IsrChange:
    topic = topic_of(cluster)
    found = given_up(topic.partitions[index], cluster.image.brokers)
    assert found is not None
    return IsrChange(topic.topic_id, index, topic.partitions[index], *found)


def test_a_leader_that_gives_up_leaves_the_isr_and_the_next_of_it_leads_in_a_new_epoch() -> None:
    async def scenario() -> None:
        leader, *others = await three_brokers(MemoryServer(), partitions=2)
        before = topic_of(leader).partitions[0]
        assert await leader.change_isr([giving_up(leader), giving_up(leader, 1)]) == [Outcome.COMMITTED] * 2
        after = topic_of(leader).partitions[0]
        assert (after.leader, after.leader_broker_epoch) == (1, leader.image.brokers[1].epoch)
        assert (after.isr, after.leader_epoch) == ((1, 2), before.leader_epoch + 1)
        await stop(*others, leader)

    play(scenario)


def test_a_leader_that_gives_up_stays_eligible_where_those_in_sync_are_too_few_without_it() -> None:
    before = partition([0, 1, 2], leader=(0, 1), isr=[(0, 1), (1, 2)], elr=[], min_isr=2)
    assert with_isr(before, ((1, 2),)).elr == ((0, 1),)


def test_nobody_gives_up_who_is_alone_in_sync_or_only_with_brokers_that_left() -> None:
    async def scenario() -> None:
        leader, second, third = await three_brokers(MemoryServer())
        assert await leader.change_isr([change_of(leader, (0, 1))]) == [Outcome.COMMITTED]
        late = giving_up(leader)
        await second.stop()
        await until(leader, lambda image: image.parts[late.topic_id][0].isr == (0,))
        assert given_up(topic_of(leader).partitions[0], leader.image.brokers) is None
        assert await leader.change_isr([late]) == [Outcome.REFUSED]
        await stop(third, leader)

    play(scenario)
