"""Replicas move through the metadata: asked for by clients, finished by whoever is the controller."""

import asyncio
from collections.abc import Sequence

import msgspec
from kio.schema.errors import ErrorCode

from odradek.cluster.cluster import Cluster
from odradek.cluster.elections import to_record
from odradek.cluster.image import ClusterImage, PartitionImage
from odradek.cluster.keys import Keys
from odradek.cluster.reassignments import Reassignment
from odradek.cluster.records import LoadRecord
from odradek.cluster.results import ConfigChange, ConfigOp, NewTopic
from odradek.cluster.writer import unchanged
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.metastore.memory import MemoryServer
from odradek.metastore.store import Put
from tests.cluster.clusters import kill, play, start, until

DRAINING = "odradek.draining.brokers"
PAUSED = "odradek.balancing.paused"


async def three(server: MemoryServer, **config: object) -> list[Cluster]:
    return [await start(server, broker_id, config=config or None) for broker_id in range(3)]


async def topic_on(cluster: Cluster, name: str, *assignments: Sequence[int]) -> None:
    (created,) = await cluster.create_topics([NewTopic(name, assignments=list(enumerate(assignments)))])
    assert created.error is ErrorCode.none, created


def part(image: ClusterImage, topic: str = "t", index: int = 0) -> PartitionImage:
    return image.topics[topic].partitions[index]


async def catch_up(cluster: Cluster, *members: int, topic: str = "t", index: int = 0) -> None:
    """What the partition's leader does once these replicas have everything."""
    keys = Keys("default")
    while True:
        image = cluster.image
        partition = part(image, topic, index)
        isr = dict(zip(partition.isr, partition.isr_epochs, strict=True))
        isr.update({member: image.brokers[member].epoch for member in members})
        record = msgspec.structs.replace(
            to_record(partition), isr=tuple(isr.items()), op_id=cluster._writer.new_op_id()
        )
        key = keys.partition(image.topics[topic].topic_id, index)
        revision = await cluster._writer.commit([unchanged(key, partition.mod_revision)], [Put(key, record.encode())])
        if revision is not None:
            await cluster._feed.reach(revision)
            return
        await cluster._feed.reach((await cluster._writer.get(key))[1])


async def follow(cluster: Cluster) -> None:
    """Every replica that is added has everything a moment later."""
    while True:
        for topic_id, index in list(cluster.image.reassigning):
            topic = cluster.image.topics_by_id[topic_id]
            late = [each for each in topic.partitions[index].adding if each not in topic.partitions[index].isr]
            if late:
                await catch_up(cluster, *late, topic=topic.name, index=index)
        await asyncio.sleep(0.01)


async def stop_all(*clusters: Cluster) -> None:
    for cluster in clusters:
        await cluster.stop()


def test_a_partition_moves_when_its_new_replica_has_caught_up() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        await topic_on(clusters[0], "t", [0, 1])
        (result,) = await clusters[1].alter_reassignments([Reassignment("t", 0, (2, 1))])
        assert result.error is ErrorCode.none
        moving = part(clusters[1].image)
        assert (moving.replicas, moving.adding, moving.removing, moving.leader) == ((2, 1, 0), (2,), (0,), 0)
        assert list(clusters[1].image.reassigning) == [(clusters[1].image.topics["t"].topic_id, 0)]
        await catch_up(clusters[1], 2)
        done = part(await until(clusters[1], lambda image: not image.reassigning))
        assert (done.replicas, done.isr, done.leader, done.leader_epoch) == ((2, 1), (1, 2), 2, moving.leader_epoch + 1)
        await stop_all(*clusters)

    play(scenario)


def test_a_reassignment_survives_the_controllers_death() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer(), **{"broker.session.timeout.ms": 300})
        await topic_on(clusters[1], "t", [1])
        await clusters[1].alter_reassignments([Reassignment("t", 0, (2,))])
        assert clusters[0].is_controller
        await kill(clusters[0])
        await until(clusters[1], lambda image: image.controller_id in (1, 2))
        await catch_up(clusters[1], 2)
        done = part(await until(clusters[1], lambda image: not image.reassigning))
        assert (done.replicas, done.leader) == ((2,), 2)
        await stop_all(*clusters[1:])

    play(scenario)


def test_a_reassignment_is_cancelled_and_there_must_be_one() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        await topic_on(clusters[0], "t", [0, 1])
        await clusters[0].alter_reassignments([Reassignment("t", 0, (2, 1))])
        cancel = [Reassignment("t", 0, None)]
        results = [*await clusters[0].alter_reassignments(cancel), *await clusters[0].alter_reassignments(cancel)]
        assert [each.error for each in results] == [ErrorCode.none, ErrorCode.no_reassignment_in_progress]
        assert part(clusters[0].image).replicas == (1, 0)
        assert clusters[0].image.reassigning == {}
        await stop_all(*clusters)

    play(scenario)


def test_a_drained_broker_loses_leaders_then_replicas_and_gets_none_until_it_is_taken_back() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        await topic_on(clusters[0], "t", [2, 0], [2, 1], [0, 2])
        followers = asyncio.create_task(follow(clusters[0]))
        drained = [ConfigChange(DRAINING, ConfigOp.APPEND, "2")]
        assert (await clusters[0].alter_configs("broker", "", drained)).error is ErrorCode.none
        image = await until(
            clusters[0], lambda image: all(2 not in each.replicas for each in image.topics["t"].partitions)
        )
        assert all(set(each.replicas) == {0, 1} for each in image.topics["t"].partitions)
        (created,) = await clusters[0].create_topics([NewTopic("u", 6, 2)])
        assert created.error is ErrorCode.none
        assert all(set(each.replicas) == {0, 1} for each in clusters[0].image.topics["u"].partitions)
        await clusters[0].alter_configs("broker", "", [ConfigChange(DRAINING, ConfigOp.SUBTRACT, "2")])
        image = await until(
            clusters[0],
            lambda image: sum(2 in each.replicas for topic in image.topics.values() for each in topic.partitions) == 6,
        )
        followers.cancel()
        await stop_all(*clusters)

    play(scenario)


def test_leaderships_leave_a_drained_broker_even_while_moves_are_paused() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        await topic_on(clusters[0], "t", [2, 0], [2, 1])
        changes = [ConfigChange(DRAINING, ConfigOp.SET, "2"), ConfigChange(PAUSED, ConfigOp.SET, "true")]
        await clusters[0].alter_configs("broker", "", changes)
        image = await until(clusters[0], lambda image: all(each.leader != 2 for each in image.topics["t"].partitions))
        assert [each.leader for each in image.topics["t"].partitions] == [0, 1]
        assert all(2 in each.replicas for each in image.topics["t"].partitions)
        assert image.reassigning == {}
        await stop_all(*clusters)

    play(scenario)


def test_a_broker_that_joins_gets_its_share() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        clusters = [await start(server, broker_id) for broker_id in range(2)]
        await topic_on(clusters[0], "t", *([0, 1] if index % 2 else [1, 0] for index in range(6)))
        followers = asyncio.create_task(follow(clusters[0]))
        clusters.append(await start(server, 2))

        def has_its_share(image: ClusterImage) -> bool:
            parts = image.topics["t"].partitions
            replicas = [sum(broker in each.replicas for each in parts) for broker in range(3)]
            leaders = [sum(broker == each.leader for each in parts) for broker in range(3)]
            return not image.reassigning and replicas == [4, 4, 4] and leaders == [2, 2, 2]

        await until(clusters[0], has_its_share)
        followers.cancel()
        await stop_all(*clusters)

    play(scenario)


def test_the_topic_of_the_offsets_gets_its_copies_and_then_counts_on_them() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        clusters = [await start(server, 0)]
        await clusters[0].create_topics([NewTopic(OFFSETS_TOPIC, 4, 1), NewTopic("own", 2, 1)])
        followers = asyncio.create_task(follow(clusters[0]))
        clusters.append(await start(server, 1))
        image = await until(clusters[0], lambda image: has_copies(image, 2))
        assert "min.insync.replicas" not in image.topics[OFFSETS_TOPIC].configs
        clusters.append(await start(server, 2))
        image = await until(clusters[0], lambda image: part(image, OFFSETS_TOPIC).min_isr == 2)
        assert has_copies(image, 3)
        assert image.topics[OFFSETS_TOPIC].configs["min.insync.replicas"] == "2"
        assert {len(each.replicas) for each in image.topics["own"].partitions} == {1}
        followers.cancel()
        await stop_all(*clusters)

    play(scenario)


def test_the_topic_of_the_offsets_has_as_many_copies_as_an_operator_has_decided() -> None:
    async def scenario() -> None:
        decided = {"offsets.topic.replication.factor": 2}
        server = MemoryServer()
        clusters = [await start(server, 0, config=decided)]
        await clusters[0].create_topics([NewTopic(OFFSETS_TOPIC, 6, 1)])
        followers = asyncio.create_task(follow(clusters[0]))
        clusters += [await start(server, broker_id, config=decided) for broker_id in (1, 2)]

        def is_shared(image: ClusterImage) -> bool:
            held = [
                sum(broker in each.replicas for each in image.topics[OFFSETS_TOPIC].partitions) for broker in range(3)
            ]
            return has_copies(image, 2) and held == [4, 4, 4]

        image = await until(clusters[0], is_shared)
        assert "min.insync.replicas" not in image.topics[OFFSETS_TOPIC].configs
        followers.cancel()
        await stop_all(*clusters)

    play(scenario)


def has_copies(image: ClusterImage, count: int) -> bool:
    parts = image.topics[OFFSETS_TOPIC].partitions
    return not image.reassigning and all(len(each.isr) == len(each.replicas) == count for each in parts)


def test_only_so_many_replicas_move_into_a_broker_at_a_time() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        clusters = [await start(server, 0, config={"odradek.balancing.moves.per.broker": 3})]
        await topic_on(clusters[0], "t", *([0] for _ in range(20)))
        clusters.append(await start(server, 1))
        image = await until(clusters[0], lambda image: len(image.reassigning) == 3)
        assert all(each.adding in ((), (1,)) for each in image.topics["t"].partitions)
        await catch_up(clusters[0], 1, index=sorted(image.reassigning, key=lambda key: key[1])[0][1])
        await until(clusters[0], lambda image: part(image, index=0).replicas == (1,) and len(image.reassigning) == 3)
        await stop_all(*clusters)

    play(scenario)


def test_preferred_leaders_come_back_by_themselves() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        often = {"leader.imbalance.check.interval.seconds": 1}
        first = await start(server, 0, config=often)
        second = await start(server, 1, config=often)
        await topic_on(first, "t", [1, 0])
        await second.stop()
        await until(first, lambda image: part(image).leader == 0)
        second = await start(server, 1, config=often)
        await catch_up(first, 1)
        await until(first, lambda image: part(image).leader == 1)
        await stop_all(first, second)

    play(scenario)


def test_a_broker_is_unregistered_with_all_that_was_set_for_it_and_its_replicas_are_made_elsewhere() -> None:
    async def scenario() -> None:
        clusters = await three(MemoryServer())
        await topic_on(clusters[0], "t", [0, 2])
        await clusters[2].alter_configs("broker", "2", [ConfigChange("log.retention.ms", ConfigOp.SET, "5")])
        await clusters[0].alter_configs("broker", "", [ConfigChange(PAUSED, ConfigOp.SET, "true")])
        await clusters[0].alter_configs("broker", "", [ConfigChange(DRAINING, ConfigOp.SET, "2,7")])
        await clusters[2].stop()
        assert (await clusters[0].unregister_broker(2)).error is ErrorCode.none
        image = clusters[0].image
        assert sorted(image.brokers) == [0, 1]
        assert image.config("broker", "2") == {}
        assert image.config("broker", "") == {PAUSED: "true", DRAINING: "7"}
        again = await clusters[0].unregister_broker(2)
        assert (again.error, again.message) == (
            ErrorCode.broker_id_not_registered, "Broker ID 2 is not currently registered",
        )  # fmt: skip
        followers = asyncio.create_task(follow(clusters[0]))
        await clusters[0].alter_configs("broker", "", [ConfigChange(PAUSED, ConfigOp.DELETE)])
        await until(clusters[0], lambda image: part(image).replicas == (0, 1))
        followers.cancel()
        await stop_all(*clusters[:2])

    play(scenario)


def test_what_a_broker_holds_is_known_until_its_lease_ends() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        clusters = [await start(server, broker_id) for broker_id in range(2)]
        load = LoadRecord(1000, 400, 300, 2, (("AAAAAAAAAAAAAAAAAAAABw", 0, 200),))
        await clusters[1].report_load(load)
        await until(clusters[0], lambda image: image.loads.get(1) == load)
        await clusters[1].stop()
        await until(clusters[0], lambda image: 1 not in image.loads)
        await clusters[0].stop()

    play(scenario)
