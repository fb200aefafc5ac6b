"""Brokers that others have found dead: who is believed, and what follows from it."""

from uuid import UUID

import pytest

from odradek.cluster.cluster import Cluster
from odradek.cluster.duties import Rules, decide_duties
from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.results import NewTopic
from odradek.cluster.suspicion import Suspicions, is_suspected
from odradek.metastore.memory import MemoryServer
from tests.cluster.clusters import broker, brokers, kill, partition, play, start, until

TTL_S = 9.0
RULES = Rules(lambda topic: 1, lambda topic: False)


def image(
    *reports: tuple[int, int],
    epoch: int = 1,
    registered: tuple[BrokerImage, ...] = (),
    topics: tuple[TopicImage, ...] = (),
) -> ClusterImage:
    """Reports are (who, by whom)."""
    present = registered or tuple(broker(each) for each in range(5))
    return ClusterImage(
        brokers=brokers(*present),
        live={each.broker_id: each.epoch for each in present},
        suspects=dict.fromkeys(reports, epoch),
        topics={topic.name: topic for topic in topics},
    )


def test_most_of_the_others_have_to_say_it() -> None:
    assert not is_suspected(image((0, 1), (0, 2)), 0)
    assert is_suspected(image((0, 1), (0, 2), (0, 3)), 0)


def test_what_is_said_of_an_earlier_life_says_nothing() -> None:
    assert not is_suspected(image((0, 1), (0, 2), (0, 3), epoch=7), 0)


def test_fenced_brokers_are_neither_asked_nor_counted() -> None:
    registered = (broker(0), broker(1), broker(2), broker(3, fenced=True), broker(4, fenced=True))
    assert is_suspected(image((0, 1), (0, 2), registered=registered), 0)
    assert not is_suspected(image((0, 1), (0, 3), registered=registered), 0)


def test_of_two_brokers_none_can_accuse_the_other() -> None:
    assert not is_suspected(image((0, 1), registered=(broker(0), broker(1))), 0)


def test_one_broker_at_a_time_is_believed_dead() -> None:
    """What looks like the death of many is more likely a network's."""
    suspicions = Suspicions(TTL_S)
    both = image(*[(who, by) for who in (0, 1) for by in (2, 3, 4)])
    assert suspicions.believed(both, 100.0) == {0}
    assert suspicions.believed(both, 108.0) == {0}
    assert suspicions.believed(both, 109.0) == {0, 1}


def test_it_is_dead_until_everybody_has_taken_it_back() -> None:
    suspicions = Suspicions(TTL_S)
    assert suspicions.believed(image((0, 1), (0, 2), (0, 3)), 100.0) == {0}
    assert suspicions.believed(image((0, 3)), 101.0) == {0}
    assert suspicions.believed(image(), 102.0) == frozenset()


def test_a_new_registration_ends_it() -> None:
    suspicions = Suspicions(TTL_S)
    reports = ((0, 1), (0, 2), (0, 3))
    assert suspicions.believed(image(*reports), 100.0) == {0}
    again = tuple(broker(each, 7 if each == 0 else 1) for each in range(5))
    assert suspicions.believed(image(*reports, registered=again), 101.0) == frozenset()


def topic(*partitions: PartitionImage) -> TopicImage:
    return TopicImage("t", UUID(int=1), partitions, {}, 1)


def test_evidence_moves_leaders_and_never_leaves_a_partition_without_one() -> None:
    shared = partition([0, 1], leader=(0, 1), isr=[(0, 1), (1, 1)], last_leader=0)
    alone = partition([0], leader=(0, 1), isr=[(0, 1)], last_leader=0)
    duties = decide_duties(image(topics=(topic(shared, alone),)), RULES, (), {0})
    assert [each.broker_id for each in duties.fence] == [0]
    assert [(each.index, each.election.record.leader) for each in duties.partitions] == [(0, 1)]


async def three(server: MemoryServer) -> list[Cluster]:
    found = [await start(server, each, config={"broker.session.timeout.ms": 600_000}) for each in range(3)]
    await found[0].create_topics([NewTopic("t", assignments=[(0, [2, 1, 0])])])
    return found


@pytest.mark.parametrize("victim", [0, 2], ids=["the controller", "a leader"])
def test_a_dead_brokers_work_is_taken_over_long_before_its_lease_ends(victim: int) -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        dead, *others = [clusters[victim], *(each for each in clusters if each.node_id != victim)]
        epoch = dead.broker_epoch
        await kill(dead)
        for each in others:
            await each.suspect(victim, epoch)
        image = await until(others[0], lambda image: image.brokers[victim].fenced)
        assert image.controller_id != victim
        if victim == 2:
            image = await until(others[0], lambda image: image.topics["t"].partitions[0].leader == 1)
            assert image.topics["t"].partitions[0].isr == (1, 0)
        for each in others:
            await each.stop()

    play(scenario)


def test_a_broker_that_was_wrongly_found_dead_comes_back_when_it_is_taken_back() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        for each in clusters[:2]:
            await each.suspect(2, clusters[2].broker_epoch)
        await until(clusters[0], lambda image: image.brokers[2].fenced)
        for each in clusters[:2]:
            await each.acquit(2)
        await until(clusters[0], lambda image: not image.brokers[2].fenced)
        for each in reversed(clusters):
            await each.stop()

    play(scenario)
