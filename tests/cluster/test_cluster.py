"""Brokers come, go and come back; the image follows the store whatever happens to the watch."""

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from odradek.cluster.cluster import METADATA_FORMAT, Cluster
from odradek.cluster.image import ClusterImage, ImageDelta
from odradek.cluster.image_builder import ImageBuilder, full_delta
from odradek.cluster.keys import Keys
from odradek.cluster.producer_ids import BLOCK_SIZE
from odradek.cluster.records import MetaRecord
from odradek.cluster.results import ClusterStartError, ConfigChange, ConfigOp, ElectionType, NewPartitions, NewTopic
from odradek.log.life import Proof
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.store import Put, StoreRegressed
from tests.cluster.clusters import kill, new_cluster, play, start, until

SHORT_SESSION = {"broker.session.timeout.ms": 300}


async def take_snapshot(server: MemoryServer) -> ClusterImage:
    """The image as a broker that starts now would load it."""
    store, keys = MemoryStore(server), Keys("default")
    await store.open()
    builder, revision = ImageBuilder(ClusterImage(), keys), 0
    async for page in store.scan(keys.prefix):
        revision = page.revision
        for item in page.items:
            builder.apply(item.key, item.value, item.mod_revision)
    return builder.finish(revision)


def as_data(image: ClusterImage) -> dict[str, object]:
    """Everything in the image, in a form that compares by value."""
    topics = {
        name: (topic.topic_id, topic.partitions, dict(topic.configs), topic.mod_revision)
        for name, topic in image.topics.items()
    }
    tables = ("brokers", "live", "configs", "collisions", "deleted", "entries", "parts", "intents", "config_revisions")
    return {
        "scalars": (image.cluster_id, image.revision, image.controller_id, image.controller_revision),
        "topics": topics,
        "ids": {topic_id: topic.name for topic_id, topic in image.topics_by_id.items()},
        **{table: dict(getattr(image, table)) for table in tables},
    }


async def change_much(cluster: Cluster) -> None:
    await cluster.create_topics([NewTopic("a.b", 3, 1), NewTopic("c", 200, 1, configs={"retention.ms": "7"})])
    await cluster.create_partitions([NewPartitions("a.b", 140)])
    await cluster.alter_configs("topic", "a.b", [ConfigChange("min.insync.replicas", ConfigOp.SET, "2")])
    await cluster.alter_configs("broker", "", [ConfigChange("log.retention.ms", ConfigOp.SET, "99")])
    await cluster.delete_topics(["c"])
    await cluster.create_topics([NewTopic("c", 1, 1), NewTopic("d", 1, 1)])


def test_one_broker_alone_is_admitted_and_governs() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        assert cluster.is_controller
        assert not cluster.image.brokers[0].fenced
        assert len(cluster.image.cluster_id) == 22
        await cluster.stop()

    play(scenario)


def test_the_cluster_keeps_its_id() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        ids = []
        for _ in range(2):
            cluster = await start(server)
            ids.append(cluster.image.cluster_id)
            await cluster.stop()
        assert ids[0] == ids[1]

    play(scenario)


def test_following_the_store_gives_the_same_image_as_loading_it() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        await change_much(cluster)
        loaded = await take_snapshot(server)
        await until(cluster, lambda image: image.revision >= loaded.revision)
        assert as_data(cluster.image) == as_data(await take_snapshot(server))
        await cluster.stop()

    play(scenario)


def test_the_deltas_add_up_to_the_image() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        partitions: dict[tuple[str, int], object] = {}
        known: dict[str, object] = {}

        def follow(delta: ImageDelta) -> None:
            for topic in delta.topics_deleted:
                del known[topic.name]
            for topic in delta.topics_created:
                assert topic.name not in known
                known[topic.name] = topic.topic_id
            for change in delta.partitions:
                place = (change.topic.name, change.index)
                assert partitions.get(place) == change.before
                if change.after is None:
                    del partitions[place]
                else:
                    partitions[place] = change.after

        cluster.subscribe(follow)
        await change_much(cluster)
        await until(cluster, lambda image: all(part.min_isr == 2 for part in image.topics["a.b"].partitions))
        assert partitions == {
            (topic.name, index): partition
            for topic in cluster.image.topics.values()
            for index, partition in enumerate(topic.partitions)
        }
        assert known == {name: topic.topic_id for name, topic in cluster.image.topics.items()}
        await cluster.stop()

    play(scenario)


def test_an_image_never_changes() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        images = [(cluster.image, as_data(cluster.image))]
        cluster.subscribe(lambda delta: images.append((delta.after, as_data(delta.after))))
        await change_much(cluster)
        assert len(images) > 10
        assert all(as_data(image) == data for image, data in images)
        await cluster.stop()

    play(scenario)


def test_whoever_subscribes_late_is_told_everything() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        await cluster.create_topics([NewTopic("a", 2, 1)])
        deltas: list[ImageDelta] = []
        cluster.subscribe(deltas.append)
        assert [topic.name for topic in deltas[0].topics_created] == ["a"]
        assert [change.index for change in deltas[0].partitions] == [0, 1]
        await cluster.stop()

    play(scenario)


def test_a_topic_made_again_under_its_name_is_gone_and_new() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        await cluster.create_topics([NewTopic("a", 1, 1)])
        before = cluster.image
        await cluster.delete_topics(["a"])
        await cluster.create_topics([NewTopic("a", 1, 1)])
        delta = full_delta(before, cluster.image)
        assert [topic.topic_id for topic in delta.topics_deleted] == [before.topics["a"].topic_id]
        assert [topic.topic_id for topic in delta.topics_created] == [cluster.image.topics["a"].topic_id]
        await cluster.stop()

    play(scenario)


def test_a_subscriber_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())

        def fail(delta: ImageDelta) -> None:
            if delta.topics_created:
                raise RuntimeError("broken")

        cluster.subscribe(fail)
        seen: list[ImageDelta] = []
        cluster.subscribe(seen.append)
        (result,) = await cluster.create_topics([NewTopic("a", 1, 1)])
        assert result.error is ErrorCode.none
        assert seen[-1].after is cluster.image
        await cluster.stop()

    play(scenario)
    assert "A subscriber failed" in caplog.text


def test_a_watch_behind_the_history_loads_again() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        other = await start(server, 1)
        following, *_ = other._tasks
        following.cancel()
        await cluster.create_topics([NewTopic("a", 1, 1)])
        await cluster.delete_topics(["a"])
        await cluster.create_topics([NewTopic("b", 1, 1)])
        server.compact_everything()
        other._spawn(other._feed.run())
        image = await until(other, lambda image: "b" in image.topics)
        assert list(image.topics) == ["b"]
        await other.stop()
        await cluster.stop()

    play(scenario)


def test_a_restart_with_proof_keeps_the_isr_under_a_new_leader_epoch() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        await cluster.create_topics([NewTopic("a", 2, 1)])
        epoch = cluster.broker_epoch
        await kill(cluster)
        cluster = await start(server, proof=Proof(epoch))
        assert cluster.broker_epoch > epoch
        for part in cluster.image.topics["a"].partitions:
            assert part.is_led_by(0, cluster.broker_epoch)
            assert part.leader_epoch == 1
        await cluster.stop()

    play(scenario)


def test_a_restart_without_proof_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        await cluster.create_topics([NewTopic("a", 2, 1)])
        await kill(cluster)
        cluster = await start(server)
        assert all(cluster.leads(cluster.image.topics["a"], index) for index in range(2))
        await cluster.stop()

    play(scenario)
    assert "may be lost" in caplog.text


def test_every_restart_is_a_new_leader_epoch_also_on_sqlite(tmp_path: object) -> None:
    async def scenario() -> None:
        epochs = []
        for _ in range(4):
            cluster = new_cluster(SqliteStore(f"{tmp_path}/metadata.db"))
            await cluster.start()
            await cluster.create_topics([NewTopic("a", 1, 1)])
            epochs.append(cluster.image.topics["a"].partitions[0].leader_epoch)
            await cluster.stop()
        assert epochs == [0, 1, 2, 3]

    play(scenario)


def test_a_broker_whose_lease_was_lost_registers_again_and_leads_in_a_new_epoch() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server, config=SHORT_SESSION)
        await cluster.create_topics([NewTopic("a", 2, 1)])
        epoch = cluster.broker_epoch
        server.expire_all_leases()
        image = await until(
            cluster,
            lambda image: (
                cluster.broker_epoch != epoch and all(cluster.leads(image.topics["a"], index) for index in range(2))
            ),
        )
        assert all(part.leader_epoch >= 1 and part.isr == (0,) for part in image.topics["a"].partitions)
        await until(cluster, lambda image: image.controller_id == 0 and not image.brokers[0].fenced)
        await cluster.stop()

    play(scenario)


def test_a_broker_knows_its_new_epoch_no_later_than_its_image_does() -> None:
    """The answer to its registration may come after the election that followed it."""

    async def scenario() -> None:
        server = MemoryServer()
        first, second = await start(server, 0), await start(server, 1)
        before, behind = first.broker_epoch, list[ImageDelta]()

        def look(delta: ImageDelta) -> None:
            if delta.after.brokers[0].epoch > first.broker_epoch:
                behind.append(delta)

        first.subscribe(look)
        server.faults.reply_delay_s_max = 0.2
        server.expire_all_leases()
        await until(second, lambda image: image.brokers[0].epoch > before and not image.brokers[0].fenced)
        await until(first, lambda image: image.brokers[0].epoch > before)
        assert not behind
        for cluster in (first, second):
            await cluster.stop()

    play(scenario)


def test_a_dead_broker_is_fenced_and_another_leads() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        brokers = [await start(server, broker_id, config=SHORT_SESSION) for broker_id in range(3)]
        await brokers[1].create_topics([NewTopic("a", 6, 3)])
        await kill(brokers[0])
        image = await until(
            brokers[1],
            lambda image: (
                image.controller_id in (1, 2)
                and image.brokers[0].fenced
                and all(part.leader in (1, 2) for part in image.topics["a"].partitions)
            ),
        )
        for part in image.topics["a"].partitions:
            assert set(part.isr) == {1, 2}
            assert image.brokers[part.leader].epoch == part.leader_broker_epoch
        await brokers[2].stop()
        await brokers[1].stop()

    play(scenario)


def test_a_broker_id_that_is_in_use_is_refused() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        impostor = new_cluster(MemoryStore(server), directory_id="another directory")
        with pytest.raises(ClusterStartError, match=r"broker id 0 is in use by another broker at 127.0.0.1:9092"):
            await impostor.start()
        await impostor.stop()
        assert not cluster.image.brokers[0].fenced
        await cluster.stop()

    play(scenario)


def test_metadata_of_a_newer_format_is_refused() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        store = MemoryStore(server)
        await store.open()
        newer = MetaRecord("id", METADATA_FORMAT + 1)
        await store.txn((), (Put(Keys("default").meta, newer.encode()),), timeout=1)
        cluster = new_cluster(MemoryStore(server))
        with pytest.raises(ClusterStartError, match="format"):
            await cluster.start()
        await cluster.stop()

    play(scenario)


def test_a_store_that_went_back_ends_the_trust_in_the_metadata() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server, config=SHORT_SESSION)
        backup = server.backup()
        await cluster.create_topics([NewTopic("a", 1, 1)])
        server.restore(backup)
        assert isinstance(await cluster.failed, StoreRegressed)
        await cluster.stop()

    play(scenario)


def test_clusters_of_other_names_share_a_store_and_nothing_else() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster, other = await start(server), await start(server, cluster_name="other")
        await cluster.create_topics([NewTopic("a", 1, 1)])
        assert other.image.topics == {}
        assert other.image.cluster_id != cluster.image.cluster_id
        await other.stop()
        await cluster.stop()

    play(scenario)


def test_producer_ids_are_never_given_twice() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        given: list[int] = []
        brokers = [await start(server, 0), await start(server, 1)]
        for cluster in brokers:
            given += await asyncio.gather(*[cluster.allocate_producer_id() for _ in range(BLOCK_SIZE + 10)])
        await kill(brokers[0])
        brokers[0] = await start(server, 0)
        given += [await brokers[0].allocate_producer_id()]
        assert len(set(given)) == len(given)
        assert given[: BLOCK_SIZE + 10] == list(range(BLOCK_SIZE + 10))
        for cluster in brokers:
            await cluster.stop()

    play(scenario)


def test_elections_that_are_asked_for_answer_as_kafka_does() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        await cluster.create_topics([NewTopic("a", 1, 1)])
        asked = [("a", 0), ("a", 5), ("none", 0)]
        for election in ElectionType:
            results = await cluster.elect_leaders(election, asked)
            assert [(result.error, result.message) for result in results] == [
                (ErrorCode.election_not_needed, "Leader election not needed for topic partition."),
                (ErrorCode.unknown_topic_or_partition, "No such partition as a-5"),
                (ErrorCode.unknown_topic_or_partition, "No such topic as none"),
            ]
            assert await cluster.elect_leaders(election, None) == []
        await cluster.stop()

    play(scenario)


def test_the_preferred_leader_takes_over_when_asked_and_not_while_it_is_out_of_sync() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        brokers = [await start(server, broker_id, config=SHORT_SESSION) for broker_id in range(2)]
        await brokers[1].create_topics([NewTopic("a", assignments=[(0, [0, 1])])])
        await brokers[0].stop()
        await until(brokers[1], lambda image: image.topics["a"].partitions[0].leader == 1)
        (result,) = await brokers[1].elect_leaders(ElectionType.PREFERRED, [("a", 0)])
        assert result.error is ErrorCode.preferred_leader_not_available
        await brokers[1].stop()

    play(scenario)


def test_a_start_that_fails_leaves_no_task_behind() -> None:
    async def scenario() -> None:
        server = MemoryServer()
        cluster = await start(server)
        impostor = new_cluster(MemoryStore(server), directory_id="another directory")
        with pytest.raises(ClusterStartError):
            await impostor.start()
        assert impostor._tasks == []
        await cluster.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    play(scenario)
