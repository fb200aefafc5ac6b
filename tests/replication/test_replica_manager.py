"""Partitions follow the cluster's image."""

import asyncio
import errno
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.cluster.image import ClusterImage, TopicImage
from odradek.config import BrokerConfig
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.replication.partition import Partition
from odradek.replication.replica_manager import ReplicaManager
from tests.replication.images import BROKER_EPOCH, BROKER_ID, delta, image_of, partition_image, topic_image
from tests.support.faulty_files import FaultyFiles
from tests.support.log_managers import CREWS, FLIGHTS, crash, create, keys, opened, until
from tests.support.logs import append, batch, topic_config

EMPTY = ClusterImage()
FLIGHTS_TOPIC = topic_image("flights", FLIGHTS, partition_image(0), partition_image(0))
MOVED_AWAY = partition_image(1, leader=2, replicas=(2,), isr=(2,))


def names_in(path: Path, prefix: str) -> list[str]:
    """Of the entries that begin with it."""
    return sorted(entry.name for entry in path.iterdir() if entry.name.startswith(prefix))


def damage(segment: Path) -> bytes:
    """Break the length of the first batch; what the file holds then."""
    content = bytearray(segment.read_bytes())
    content[8:12] = b"\xff" * 4
    segment.write_bytes(content)
    return bytes(content)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


class Replicas:
    """A replica manager and the images it was shown."""

    def __init__(self, logs: LogManager) -> None:
        self.logs = logs
        self.image = EMPTY
        self.confirmed: list[UUID] = []
        self.config = BrokerConfig.parse({})
        self.manager = ReplicaManager(logs, BROKER_ID, lambda: BROKER_EPOCH, lambda: self.config, self.confirm)

    async def confirm(self, topic_id: UUID) -> None:
        self.confirmed.append(topic_id)

    async def show(self, *topics: TopicImage, deleted: list[UUID] | None = None, configs: tuple[str, ...] = ()) -> None:
        """The next image; returns when everything it asks for is done."""
        after = image_of(self.image.revision + 1, *topics, deleted=deleted or [])
        change = delta(self.image, after, configs=tuple(("topic", name) for name in configs))
        self.image = after
        self.manager.apply(change)
        await self.manager.settled()

    def led(self, topic: str = "flights", index: int = 0) -> Partition:
        found = self.manager.partition(topic, index)
        assert isinstance(found, Partition), found
        return found


def test_a_new_topic_is_made_and_led(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show()
        await replicas.show(FLIGHTS_TOPIC)
        assert replicas.led().leader_epoch == 0
        assert replicas.manager.partition_by_id(FLIGHTS, 1) is replicas.led(index=1)
        assert names_in(tmp_path, "flights-") == ["flights-0", "flights-1"]
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_what_is_not_led_here_is_answered_with_its_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        elsewhere = partition_image(0, leader=2, replicas=(2,), isr=(2,))
        followed = partition_image(0, leader=2, replicas=(2, 1), isr=(2, 1))
        stale = partition_image(0, broker_epoch=BROKER_EPOCH - 1)
        await replicas.show(topic_image("flights", FLIGHTS, elsewhere, followed, stale))
        find = replicas.manager.partition
        assert [find("flights", index) for index in range(3)] == [ErrorCode.not_leader_or_follower] * 3
        assert find("flights", 3) is ErrorCode.unknown_topic_or_partition
        assert find("planes", 0) is ErrorCode.unknown_topic_or_partition
        assert replicas.manager.partition_by_id(CREWS, 0) is ErrorCode.unknown_topic_id
        assert replicas.manager.partition_by_id(FLIGHTS, 9) is ErrorCode.unknown_topic_or_partition
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_until_it_is_on_disk_a_partition_answers_retriably(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        replicas.manager.apply(delta(EMPTY, image_of(1, FLIGHTS_TOPIC)))
        assert replicas.manager.partition("flights", 0) is ErrorCode.not_leader_or_follower
        await replicas.manager.settled()
        assert isinstance(replicas.manager.partition("flights", 0), Partition)
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_log_is_made_once_also_when_its_partition_changes_meanwhile(tmp_path: Path) -> None:
    """Two logs over the same files would write each other's checkpoints."""

    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        made, adopt = list[Log](), replicas.logs.adopt

        def note(log: Log) -> None:
            made.append(log)
            adopt(log)

        replicas.logs.adopt = note  # type: ignore[method-assign]
        first = image_of(1, FLIGHTS_TOPIC)
        replicas.manager.apply(delta(EMPTY, first))
        await asyncio.sleep(0)
        changed = topic_image("flights", FLIGHTS, partition_image(1), partition_image(1))
        replicas.manager.apply(delta(first, image_of(2, changed)))
        await replicas.manager.settled()
        assert [log.partition for log in made] == [0, 1]
        assert [replicas.led(index=each).log for each in range(2)] == made
        assert [replicas.led(index=each).leader_epoch for each in range(2)] == [1, 1]
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_restart_leads_again_in_the_new_epoch_with_all_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        replicas.led().append(batch(b"a"))
        await crash(replicas.logs)
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(1), partition_image(1)))
        assert (replicas.led().leader_epoch, replicas.led().high_watermark) == (1, 1)
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_deleted_topic_is_gone_at_once_and_confirmed(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        partition = replicas.led()
        await replicas.show(deleted=[FLIGHTS])
        assert partition.error is ErrorCode.unknown_topic_or_partition
        assert replicas.manager.partition("flights", 0) is ErrorCode.unknown_topic_or_partition
        assert replicas.manager.partition_by_id(FLIGHTS, 0) is ErrorCode.unknown_topic_id
        await until(lambda: replicas.confirmed == [FLIGHTS])
        assert not (tmp_path / "flights-0").exists()
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_topic_made_again_in_one_revision_never_shows_its_predecessors_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        replicas.led().append(batch(b"old"))
        await replicas.show(topic_image("flights", CREWS, partition_image(0)), deleted=[FLIGHTS])
        assert (replicas.led().topic_id, replicas.led().log.log_end_offset) == (CREWS, 0)
        assert replicas.manager.partition_by_id(FLIGHTS, 0) is ErrorCode.unknown_topic_id
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_topic_that_a_full_disk_lets_nobody_rename_is_deleted_later_and_its_name_free_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        replicas = Replicas(await opened(tmp_path, files=files))
        await replicas.show(FLIGHTS_TOPIC)
        again = topic_image("flights", CREWS, partition_image(0))
        for _ in range(2):
            files.fail("rename", errno.ENOSPC)
            await replicas.show(again, deleted=[FLIGHTS])
            assert replicas.confirmed == []
            assert names_in(tmp_path, "flights-") == ["flights-0", "flights-1"]
            assert not isinstance(replicas.manager.partition("flights", 0), Partition)
        replicas.logs.upkeep.check_space_now()
        await until(lambda: replicas.confirmed)
        assert replicas.confirmed == [FLIGHTS]
        await until(lambda: isinstance(replicas.manager.partition("flights", 0), Partition))
        assert len([name for name in names_in(tmp_path, "flights-") if name.endswith("-delete")]) == 2
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_deletion_that_a_failed_directory_may_undo_is_not_confirmed_by_another_ones_retry(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        replicas = Replicas(await opened(tmp_path / "a", tmp_path / "b", files=files))
        await replicas.show(FLIGHTS_TOPIC)
        files.fail("rename", errno.ENOSPC)
        await replicas.show(deleted=[FLIGHTS])
        replicas.logs.fail_directory(str(tmp_path / "b"), "injected")
        replicas.logs.upkeep.check_space_now()
        await until(lambda: [name for name in names_in(tmp_path / "a", "flights-") if name.endswith("-delete")])
        await replicas.manager.settled()
        assert replicas.confirmed == []
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_topic_deleted_while_the_broker_was_down_is_removed_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        await replicas.logs.stop()
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(topic_image("flights", CREWS, partition_image(0)), deleted=[FLIGHTS])
        assert replicas.led().topic_id == CREWS
        assert list(replicas.logs.logs) == [(CREWS, 0)]
        await until(lambda: replicas.confirmed == [FLIGHTS])
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_logs_that_metadata_does_not_know_are_set_aside(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        (log,) = await create(replicas.logs, keys("flights", 1, CREWS))
        append(log, batch(b"whose"))
        await replicas.show(FLIGHTS_TOPIC)
        assert replicas.led().log.log_end_offset == 0
        (stray,) = names_in(tmp_path, "flights-0.")
        assert stray.endswith("-stray")
        assert replicas.confirmed == []
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_partitions_are_added_to_a_topic(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        before = replicas.led()
        await replicas.show(topic_image("flights", FLIGHTS, *FLIGHTS_TOPIC.partitions, partition_image(0)))
        assert replicas.led(index=2).index == 2
        assert replicas.led() is before
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_replica_that_is_moved_elsewhere_is_served_no_more_and_its_log_deleted(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        partition = replicas.led()
        partition.append(batch(b"moved"))
        await replicas.show(topic_image("flights", FLIGHTS, MOVED_AWAY, partition_image(0)))
        assert partition.error is replicas.manager.partition("flights", 0) is ErrorCode.not_leader_or_follower
        assert list(replicas.logs.logs) == [(FLIGHTS, 1)]
        assert names_in(tmp_path, "flights-1") == ["flights-1"]
        assert all(name.endswith("-delete") for name in names_in(tmp_path, "flights-0"))
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_replica_that_is_moved_elsewhere_follows_nobody_any_more(tmp_path: Path) -> None:
    """What its leader still sends would be written where the log was: a disk that seems to fail."""

    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        followed: dict[int, bool] = {}
        replicas.manager.on_following = lambda partition, image: followed.update({partition.index: image is not None})
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(0, leader=2, replicas=(BROKER_ID, 2))))
        assert followed == {0: True}
        await replicas.show(topic_image("flights", FLIGHTS, MOVED_AWAY))
        assert followed == {0: False}
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_replica_that_comes_back_begins_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        replicas.led().append(batch(b"old"))
        await replicas.show(topic_image("flights", FLIGHTS, MOVED_AWAY, partition_image(0)))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(2), partition_image(0)))
        assert (replicas.led().leader_epoch, replicas.led().log.log_end_offset) == (2, 0)
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_replica_that_comes_back_before_its_log_was_deleted_goes_on_with_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        replicas.led().append(batch(b"kept"))
        away, back = (image_of(2 + step, topic_image("flights", FLIGHTS, each, partition_image(0)))
                      for step, each in enumerate((MOVED_AWAY, partition_image(2))))  # fmt: skip
        replicas.manager.apply(delta(replicas.image, away))
        replicas.manager.apply(delta(away, back))
        await replicas.manager.settled()
        assert (replicas.led().leader_epoch, replicas.led().log.log_end_offset) == (2, 1)
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_replica_that_moved_while_its_broker_was_down_is_deleted_at_the_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        replicas.led().append(batch(b"moved"))
        await crash(replicas.logs)
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(topic_image("flights", FLIGHTS, MOVED_AWAY, partition_image(1)))
        assert list(replicas.logs.logs) == [(FLIGHTS, 1)]
        assert [name for name in names_in(tmp_path, "flights-0") if not name.endswith("-delete")] == []
        await replicas.logs.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(("restored", "leader_epoch"), [(0, 3), (7, 4)])
def test_a_log_that_is_newer_than_the_metadata_is_kept_aside(tmp_path: Path, restored: int, leader_epoch: int) -> None:
    """After metadata was put back from a backup, the replicas it knows may have been deleted long ago."""

    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(3)))
        replicas.led().append(batch(b"only here"))
        await replicas.logs.stop()
        replicas = Replicas(await opened(tmp_path))
        elsewhere = partition_image(leader_epoch, leader=2, replicas=(2,), isr=(2,))
        image = replace(image_of(1, topic_image("flights", FLIGHTS, elsewhere)), restored=restored)
        replicas.manager.apply(delta(EMPTY, image))
        await replicas.manager.settled()
        (kept,) = names_in(tmp_path, "flights-0")
        assert kept.endswith("-stray")
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_the_deletion_of_a_moved_replica_that_a_full_disk_refused_is_tried_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        replicas = Replicas(await opened(tmp_path, files=files))
        await replicas.show(FLIGHTS_TOPIC)
        files.fail("rename", errno.ENOSPC)
        await replicas.show(topic_image("flights", FLIGHTS, MOVED_AWAY, partition_image(0)))
        assert names_in(tmp_path, "flights-0") == ["flights-0"]
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(2), partition_image(0)))
        assert replicas.manager.partition("flights", 0) is ErrorCode.not_leader_or_follower
        replicas.logs.upkeep.check_space_now()
        await until(lambda: isinstance(replicas.manager.partition("flights", 0), Partition))
        assert replicas.led().log.log_end_offset == 0
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_replica_that_is_new_here_is_made_although_another_directory_has_failed(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path / "a", tmp_path / "b", files=FaultyFiles()))
        await replicas.show(topic_image("flights", FLIGHTS, MOVED_AWAY))
        replicas.logs.fail_directory(str(tmp_path / "a"), "injected")
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(2)))
        assert replicas.led().log.directory.startswith(str(tmp_path / "b"))
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_change_of_configuration_commits_nothing_on_a_follower(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        followed = partition_image(3, leader=2, replicas=(2, 1), isr=(2,))
        await replicas.show(topic_image("flights", FLIGHTS, followed))
        (partition,) = replicas.manager.partitions()
        partition.append_replicated(batch(b"not", b"committed"))
        assert partition.log.log_end_offset == 2
        await replicas.show(topic_image("flights", FLIGHTS, followed, retention_ms="5"), configs=("flights",))
        assert partition.log.config.retention_ms == 5
        assert partition.high_watermark == 0
        assert not partition.has_followers
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_change_of_configuration_reaches_the_log(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        changed = topic_image("flights", FLIGHTS, *FLIGHTS_TOPIC.partitions, retention_ms="5", flush_messages="1")
        await replicas.show(changed, configs=("flights",))
        assert replicas.led().log.config.retention_ms == 5
        result = replicas.led().append(batch(b"v"))
        assert not isinstance(result, asyncio.Future)
        assert replicas.led().high_watermark == 0
        committed = replicas.led().commit(result.last_offset)
        assert committed is not None
        await committed
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_coordinators_hear_of_leadership_begun_and_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        heard: list[tuple[int, bool]] = []
        replicas.manager.on_leadership("flights", lambda partition, leads: heard.append((partition.index, leads)))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(0)))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(1)))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(2, leader=2)))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(3)))
        assert heard == [(0, True), (0, True), (0, False), (0, True)]
        late: list[bool] = []
        replicas.manager.on_leadership("flights", lambda _, leads: late.append(leads))
        assert late == [True]
        replicas.manager.stop()
        assert heard[-1] == (0, False)
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_an_older_epoch_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(4)))
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(3)))
        assert replicas.led().leader_epoch == 4
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_one_failing_directory_takes_only_its_partitions_offline(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        replicas = Replicas(await opened(tmp_path / "a", tmp_path / "b", files=files))
        await replicas.show(FLIGHTS_TOPIC)
        failing, healthy = replicas.led(index=0), replicas.led(index=1)
        replicas.logs.fail_directory(str(tmp_path / "a"), "injected")
        assert replicas.manager.partition("flights", failing.index) is ErrorCode.kafka_storage_error
        assert replicas.manager.partition("flights", healthy.index) is healthy
        await replicas.show(topic_image("flights", FLIGHTS, partition_image(1), partition_image(1)))
        assert replicas.manager.partition("flights", failing.index) is ErrorCode.kafka_storage_error
        await replicas.show(topic_image("crews", CREWS, partition_image(0)), *replicas.image.topics.values())
        assert replicas.led("crews").log.directory.startswith(str(tmp_path / "b"))
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_partitions_of_a_directory_that_did_not_open_are_not_made_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path / "a", tmp_path / "b"))
        await replicas.show(FLIGHTS_TOPIC)
        await replicas.logs.stop()
        files = FaultyFiles()
        files.fail("truncate")
        replicas = Replicas(await opened(tmp_path / "a", tmp_path / "b", files=files))
        await replicas.show(FLIGHTS_TOPIC)
        assert replicas.manager.partition("flights", 0) is ErrorCode.kafka_storage_error
        assert isinstance(replicas.manager.partition("flights", 1), Partition)
        assert not (tmp_path / "b" / "flights-0").exists()
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_damaged_log_takes_only_its_partition_offline_and_is_never_cut(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        replicas.led().append(batch(b"a" * 100))
        replicas.led().append(batch(b"b" * 100))
        segment = Path(replicas.led().log.active.log_path)
        await replicas.logs.stop()
        content = damage(segment)
        (tmp_path / ".kafka_cleanshutdown").unlink()
        for _ in range(2):
            replicas = Replicas(await opened(tmp_path, boot_id="boot-2"))
            await replicas.show(FLIGHTS_TOPIC)
            damaged = replicas.manager.partition("flights", 0)
            if isinstance(damaged, Partition):
                result = damaged.append(batch(b"c"))
                assert not isinstance(result, asyncio.Future)
                assert result.error is ErrorCode.kafka_storage_error
            else:
                assert damaged is ErrorCode.kafka_storage_error
            assert isinstance(replicas.manager.partition("flights", 1), Partition)
            assert content_of(segment) == content
            await replicas.logs.stop()
        replicas = Replicas(await opened(tmp_path, boot_id="boot-2"))
        await replicas.show(FLIGHTS_TOPIC)
        await replicas.show(deleted=[FLIGHTS])
        await until(lambda: replicas.confirmed)
        assert not segment.parent.exists()
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_topic_that_found_the_disk_full_is_made_when_there_is_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        replicas = Replicas(await opened(tmp_path, files=files))
        await replicas.show()
        files.fail("mkdir", 28)
        await replicas.show(FLIGHTS_TOPIC)
        assert replicas.manager.partition("flights", 0) is ErrorCode.kafka_storage_error
        await until(lambda: isinstance(replicas.manager.partition("flights", 1), Partition))
        assert isinstance(replicas.manager.partition("flights", 0), Partition)
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_confirmation_that_fails_is_tried_again_and_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odradek.replication.replica_manager.CONFIRMATION_RETRY_S", 0.01)

    async def scenario() -> None:
        logs = await opened(tmp_path)
        tried = list[UUID]()

        async def refuse(topic_id: UUID) -> None:
            tried.append(topic_id)
            if len(tried) < 3:
                raise ConnectionError("the store is away")

        manager = ReplicaManager(logs, BROKER_ID, lambda: BROKER_EPOCH, lambda: BrokerConfig.parse({}), refuse)
        first = image_of(1, FLIGHTS_TOPIC)
        manager.apply(delta(EMPTY, first))
        await manager.settled()
        second = image_of(2, topic_image("crews", CREWS, partition_image(0)), deleted=[FLIGHTS])
        manager.apply(delta(first, second))
        await manager.settled()
        assert isinstance(manager.partition("crews", 0), Partition)
        await until(lambda: tried == [FLIGHTS] * 3)
        assert caplog.text.count("could not record") == 2
        await logs.stop()

    asyncio.run(scenario())


def test_a_topic_that_came_and_went_between_two_images_is_confirmed_too(tmp_path: Path) -> None:
    """A broker that was cut off from the metadata store never hears of its making."""

    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(topic_image("crews", CREWS, partition_image(0)))
        await replicas.show(topic_image("crews", CREWS, partition_image(0)), deleted=[FLIGHTS])
        await until(lambda: replicas.confirmed == [FLIGHTS])
        await replicas.logs.stop()

    asyncio.run(scenario())


def test_a_stopping_broker_confirms_nothing_any_more(tmp_path: Path) -> None:
    async def scenario() -> None:
        logs = await opened(tmp_path)
        waiting = asyncio.Event()
        cancelled = asyncio.Event()

        async def wait(_: UUID) -> None:
            waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        manager = ReplicaManager(logs, BROKER_ID, lambda: BROKER_EPOCH, lambda: BrokerConfig.parse({}), wait)
        manager.apply(delta(EMPTY, image_of(1, deleted=[FLIGHTS])))
        await waiting.wait()
        manager.stop()
        await asyncio.wait_for(cancelled.wait(), 10)
        await logs.stop()

    asyncio.run(scenario())


def test_logs_opened_with_the_default_configuration_get_their_topics(tmp_path: Path) -> None:
    async def scenario() -> None:
        replicas = Replicas(await opened(tmp_path))
        await replicas.show(FLIGHTS_TOPIC)
        await replicas.logs.stop()
        replicas = Replicas(await opened(tmp_path, config=topic_config(retention_ms=77)))
        configured = topic_image("flights", FLIGHTS, *FLIGHTS_TOPIC.partitions, segment_bytes="1048576")
        await replicas.show(configured)
        assert replicas.led().log.config.segment_bytes == 1 << 20
        assert replicas.led().log.config.retention_ms != 77
        await replicas.logs.stop()

    asyncio.run(scenario())
