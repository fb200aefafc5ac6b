"""All partitions this broker has a replica of: found by name or id, kept in step with the cluster's image.

An image's changes are applied synchronously; what needs the disk (making and removing logs) is queued and done by one
task, in the order of the changes, and until then a partition answers with a retriable error. `settled` waits for it.
A partition is started only when the log's topic id is the image's: records of an earlier topic of the same name are
never served.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.cluster.image import NO_LEADER, ClusterImage, ImageDelta, PartitionImage, TopicImage
from odradek.config import BrokerConfig, TopicConfig
from odradek.log.cleaning.settings import CleanerSettings
from odradek.log.errors import DiskFullError
from odradek.log.log import Log
from odradek.log.manager import LogKey, LogManager
from odradek.log.partition_files import PartitionKey
from odradek.replication.partition import Partition

logger = logging.getLogger(__name__)

_NONE = ErrorCode.none
_UNKNOWN = ErrorCode.unknown_topic_or_partition
CONFIRMATION_RETRY_S = 10.0
"""After a metadata store that was away; there is at most one try under way for each topic deleted before it went."""

LeadershipListener = Callable[[Partition, bool], None]
"""Told of each partition of a topic that this broker begins (True) or ceases (False) to lead."""
Replica = Partition | ErrorCode
"""A partition, or what a request for it is answered while there is none."""


class ReplicaManager:
    """`broker_epoch` and `config` are asked at each change; `confirm_deleted` once a topic's logs are gone."""

    def __init__(
        self,
        logs: LogManager,
        broker_id: int,
        broker_epoch: Callable[[], int],
        config: Callable[[], BrokerConfig],
        confirm_deleted: Callable[[UUID], Awaitable[None]],
        is_doubtful: Callable[[], bool] = lambda: False,
    ) -> None:
        self._logs = logs
        self._loop = logs.loop
        self._broker_id = broker_id
        self._broker_epoch = broker_epoch
        self._config = config
        self._confirm_deleted = confirm_deleted
        self._callbacks = (self._resigned, self._isr_wanted, is_doubtful)
        """Made once: a bound method for each of thousands of partitions is 64 bytes for each."""
        self._by_name: dict[str, dict[int, Replica]] = {}
        self._by_id: dict[UUID, dict[int, Replica]] = {}
        self._image = ClusterImage()
        self._listeners: dict[str, list[LeadershipListener]] = {}
        self._has_withdrawn = False
        self.on_isr_wanted: Callable[[Partition], None] = lambda partition: None
        """Told of a partition whose in-sync replicas may have to change."""
        self.on_following: Callable[[Partition, PartitionImage | None], None] = lambda partition, image: None
        """Told whom a partition has to follow, each time that changes; None: nobody (any more)."""
        self._to_delete: dict[UUID, None] = {}
        self._to_remove: dict[LogKey, None] = {}
        """Logs of partitions whose replica here was moved elsewhere."""
        self._to_set_aside: dict[LogKey, None] = {}
        self._to_create: dict[PartitionKey, None] = {}
        self._unplaced: dict[PartitionKey, None] = {}
        """Could not be made for want of space; tried again when there is some."""
        self._worker: asyncio.Task[None] | None = None
        self._confirmations: dict[UUID, asyncio.Task[None]] = {}
        self._undeleted: dict[UUID, None] = {}
        """Topics that a full disk let nobody delete; tried again now and then, as are the replicas beside them."""
        self._unremoved: dict[LogKey, None] = {}
        logs.on_resumed = self._retry_unplaced
        logs.on_retry = self._retry_undeleted

    # -- asking ---------------------------------------------------------------------------------------------------

    def partition(self, topic: str, index: int) -> Replica:
        """The partition when this broker leads it, else what the client is answered."""
        replicas = self._by_name.get(topic)
        if replicas is None:
            return _UNKNOWN
        replica = replicas.get(index, _UNKNOWN)
        return replica.error if type(replica) is Partition and replica.error is not _NONE else replica

    def partition_by_id(self, topic_id: UUID, index: int) -> Replica:
        """As `partition`, by topic id."""
        replicas = self._by_id.get(topic_id)
        if replicas is None:
            return ErrorCode.unknown_topic_id
        replica = replicas.get(index, _UNKNOWN)
        return replica.error if type(replica) is Partition and replica.error is not _NONE else replica

    def readable(self, topic: str | UUID, index: int) -> Replica:
        """As `partition`, for a consumer that may also read what is committed from a follower (KIP-392)."""
        replicas = self._by_name.get(topic) if isinstance(topic, str) else self._by_id.get(topic)
        replica = None if replicas is None else replicas.get(index)
        if isinstance(replica, Partition) and replica.is_following:
            return replica
        return self.partition(topic, index) if isinstance(topic, str) else self.partition_by_id(topic, index)

    def partitions(self) -> list[Partition]:
        """Every replica here, led or not, by topic and partition."""
        found = [each for replicas in self._by_name.values() for each in replicas.values()]
        return sorted(
            (each for each in found if isinstance(each, Partition)), key=lambda each: (each.topic, each.index)
        )

    async def settled(self) -> None:
        """Returns once everything the image asks for has been made or removed on disk, or could not be."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    def on_leadership(self, topic: str, listener: LeadershipListener) -> None:
        """From now on the listener hears of the topic's partitions, at once of those led already.

        Never of a damaged one: what a coordinator read from a part of its log would be wrong.
        """
        self._listeners.setdefault(topic, []).append(listener)
        for replica in self._by_name.get(topic, {}).values():
            if isinstance(replica, Partition) and replica.error is ErrorCode.none and replica.log.damage is None:
                listener(replica, True)

    # -- following the image --------------------------------------------------------------------------------------

    def apply(self, delta: ImageDelta) -> None:
        """Follow one change of the image (`Cluster.subscribe`); the first one brings all there is.

        Then also what was deleted while this broker was away is removed, and what metadata does not know is set aside.
        """
        is_first = self._image.revision == 0
        if delta.after.deleted is not self._image.deleted:  # Also what came and went between two images.
            self._to_delete.update(dict.fromkeys(delta.after.deleted.keys() - self._image.deleted.keys()))
        self._image = delta.after
        if is_first:
            self._reconcile(delta.after)
        for topic in delta.topics_deleted:
            self._stop_topic(topic)
        for topic in delta.topics_created:
            self._start_topic(topic, existing=is_first)
        created = {topic.topic_id for topic in delta.topics_created}
        for change in delta.partitions:
            if change.after is not None and change.topic.topic_id not in created:
                had_replica = change.before is not None and self._broker_id in change.before.replicas
                self._start_partition(change.topic, change.index, change.after, existing=had_replica)
        self._reconfigure(delta)
        self._work()

    @property
    def has_withdrawn(self) -> bool:
        """What other brokers may lead by now is not served here."""
        return self._has_withdrawn

    def withdraw(self) -> None:
        """Send clients away from what has other replicas: another one may lead. Each new leader epoch is served."""
        self._has_withdrawn = True
        for partition in self.partitions():
            if partition.has_followers:
                partition.resign(ErrorCode.not_leader_or_follower, "another broker may lead by now")

    def return_to_lead(self) -> None:
        """Serve again what this broker still leads in the same leader epoch."""
        self._has_withdrawn = False
        for partition in self.partitions():
            image = self._image.topics_by_id[partition.topic_id].partitions[partition.index]
            is_led = image.is_led_by(self._broker_id, self._broker_epoch())
            if is_led and image.leader_epoch == partition.leader_epoch and partition.error is not _NONE:
                self._lead(partition, image)

    def stop(self) -> None:
        """Lead nothing any more: whoever waits is told to look for another leader."""
        for confirmation in self._confirmations.values():
            confirmation.cancel()
        for partition in self.partitions():
            partition.resign(ErrorCode.not_leader_or_follower, "the broker is shutting down")

    def _reconcile(self, image: ClusterImage) -> None:
        """What the disk holds against the first image."""
        for key, directory in self._logs.directories_by_key().items():
            if key[0] not in image.parts and key[0] not in image.deleted:
                logger.warning("%s is not in the cluster's metadata and is set aside", directory)
                self._to_set_aside[key] = None

    def _start_topic(self, topic: TopicImage, *, existing: bool) -> None:
        self._by_name[topic.name] = self._by_id[topic.topic_id] = {}
        for index, partition in enumerate(topic.partitions):
            self._start_partition(topic, index, partition, existing=existing)

    def _stop_topic(self, topic: TopicImage) -> None:
        replicas = self._by_id.pop(topic.topic_id, {})
        if self._by_name.get(topic.name) is replicas:
            del self._by_name[topic.name]
        for replica in replicas.values():
            if isinstance(replica, Partition):
                self.on_following(replica, None)
                replica.resign(ErrorCode.unknown_topic_or_partition, f"{topic.name} was deleted")
        self._to_delete[topic.topic_id] = None

    def _start_partition(self, topic: TopicImage, index: int, image: PartitionImage, *, existing: bool) -> None:
        """`existing`: the partition had its replica here before, so that its log must be here too."""
        replicas = self._by_id[topic.topic_id]
        replica = replicas.get(index)
        if self._broker_id not in image.replicas:
            self._drop_replica(topic, index, image)
            return
        self._to_remove.pop((topic.topic_id, index), None)
        if isinstance(replica, Partition):
            self._lead_or_follow(replica, image)
            return
        key = PartitionKey(topic.name, index, topic.topic_id)
        if (log := self._logs.get(topic.topic_id, index)) is not None:
            self._adopt(key, log)
        elif existing and self._logs.any_failed:
            replicas[index] = ErrorCode.kafka_storage_error
        else:
            replicas[index] = ErrorCode.not_leader_or_follower
            self._to_create[key] = None

    def _drop_replica(self, topic: TopicImage, index: int, image: PartitionImage) -> None:
        """The partition's replicas are elsewhere: it is not served here any more, and its log is deleted.

        A crash before that does no harm: the next start finds the log again. One found so is deleted only where its
        records are known to be older than the replicas of today: not after metadata was put back from a backup.
        """
        key, replicas = (topic.topic_id, index), self._by_id[topic.topic_id]
        replica, replicas[index] = replicas.get(index), ErrorCode.not_leader_or_follower
        self._unplaced.pop(PartitionKey(topic.name, index, topic.topic_id), None)
        if isinstance(replica, Partition):
            self.on_following(replica, None)  # What is on its way must not be written where the log was.
            replica.resign(ErrorCode.not_leader_or_follower, "the replica here was moved to another broker")
        log = self._logs.get(*key)
        if log is None:
            return
        if isinstance(replica, Partition) or _is_outdated(log, image, self._image):
            self._to_remove[key] = None
        else:
            logger.warning("%s is newer than the metadata, which has no replica of it here: set aside", log.directory)
            self._to_set_aside[key] = None

    def _adopt(self, key: PartitionKey, log: Log) -> None:
        """The log is there: make the partition, and lead it where the image says so."""
        topic = self._image.topics_by_id.get(key.topic_id)
        if topic is None:
            return
        if self._broker_id not in topic.partitions[key.partition].replicas:
            self._to_remove[key.topic_id, key.partition] = None
            return
        log.config = self._topic_config(topic)
        partition = Partition(log, self._logs, *self._callbacks)
        self._by_id[key.topic_id][key.partition] = partition
        self._logs.attach(log, partition)
        self._lead_or_follow(partition, topic.partitions[key.partition])

    def _lead_or_follow(self, partition: Partition, image: PartitionImage) -> None:
        if not image.is_led_by(self._broker_id, self._broker_epoch()):
            partition.follow(image)
            has_other_leader = image.leader not in (NO_LEADER, self._broker_id)
            self.on_following(partition, image if has_other_leader else None)
        elif image.leader_epoch > partition.leader_epoch:
            self.on_following(partition, None)
            self._lead(partition, image)
        elif partition.error is ErrorCode.none:
            partition.configure(image)

    def _lead(self, partition: Partition, image: PartitionImage) -> None:
        if partition.lead(image) and partition.log.damage is None:
            self._notify(partition, True)
        if partition.has_followers:  # The leader before may have left it some that should not be in sync.
            self._isr_wanted(partition)

    def _reconfigure(self, delta: ImageDelta) -> None:
        """Topic configurations that changed, or all where the broker's own did."""
        kinds = {kind for kind, _ in delta.configs}
        names = [name for kind, name in delta.configs if kind == "topic"]
        if "broker" in kinds:
            names = list(self._by_name)
            self._logs.producer_id_expiration_ms = self._config().get("producer.id.expiration.ms")
            self._logs.cleaner.settings = CleanerSettings.of(self._config().get)
        for name in names:
            topic = delta.after.topics.get(name)
            for replica in self._by_name.get(name, {}).values():
                if topic is not None and isinstance(replica, Partition):
                    replica.log.config = self._topic_config(topic)
                    if replica.error is ErrorCode.none:  # Only a leader decides what is committed.
                        replica.configure(topic.partitions[replica.index])

    def _topic_config(self, topic: TopicImage) -> TopicConfig:
        return TopicConfig.of(self._config(), topic.configs)

    def _isr_wanted(self, partition: Partition) -> None:
        self.on_isr_wanted(partition)

    def _resigned(self, partition: Partition) -> None:
        self._notify(partition, False)

    def _notify(self, partition: Partition, is_leader: bool) -> None:
        for listener in self._listeners.get(partition.topic, ()):
            listener(partition, is_leader)

    # -- what needs the disk --------------------------------------------------------------------------------------

    def _work(self) -> None:
        if self._worker is None and self._has_work():
            self._worker = self._loop.create_task(self._catch_up(), name="replica manager")

    def _has_work(self) -> bool:
        return bool(self._to_create or self._to_delete or self._to_remove or self._to_set_aside)

    async def _catch_up(self) -> None:
        try:
            while self._has_work():
                await self._remove_logs()
                await self._create_logs()
        finally:
            self._worker = None

    async def _remove_logs(self) -> None:
        """Before anything is made: a new topic may need the place of an old one."""
        strays, self._to_set_aside = self._to_set_aside, {}
        await self._logs.set_aside_strays(strays)
        removed, self._to_remove = self._to_remove, {}
        if removed and not await self._logs.delete(removed) and self._logs.has_refused_deletions:
            self._unremoved.update(removed)
        deleted, self._to_delete = self._to_delete, {}
        for topic_id in deleted:
            keys = [key for key in self._logs.directories_by_key() if key[0] == topic_id]
            if await self._logs.delete(keys):
                self._confirm(topic_id)
            elif self._logs.has_refused_deletions:
                self._undeleted[topic_id] = None

    def _confirm(self, topic_id: UUID) -> None:
        """Without waiting: the metadata store may be away, and other topics' logs must not wait for it."""
        task = self._loop.create_task(self._confirm_deleted_safely(topic_id))
        self._confirmations[topic_id] = task
        task.add_done_callback(lambda _: self._confirmations.pop(topic_id, None))

    async def _confirm_deleted_safely(self, topic_id: UUID) -> None:
        """Tried again as long as the broker runs; after that its next start finds the topic still to be deleted."""
        while True:
            try:
                return await self._confirm_deleted(topic_id)
            except Exception as error:
                logger.warning("could not record that topic id %s was removed, and will try again: %s", topic_id, error)
            await asyncio.sleep(CONFIRMATION_RETRY_S)

    async def _create_logs(self) -> None:
        wanted, self._to_create = self._to_create, {}
        by_config: dict[int, tuple[TopicConfig, list[PartitionKey]]] = {}
        for key in wanted:
            if (key.topic_id, key.partition) in self._unremoved:
                self._unplaced[key] = None
                continue
            topic = self._image.topics_by_id.get(key.topic_id)
            if self._logs.get(key.topic_id, key.partition) is not None:  # It was being made when this was asked for.
                continue
            if topic is not None and self._broker_id in topic.partitions[key.partition].replicas:
                config = self._topic_config(topic)
                by_config.setdefault(id(config), (config, []))[1].append(key)
        for config, keys in by_config.values():
            for key, made in (await self._logs.create(keys, config)).items():
                self._created(key, made)

    def _created(self, key: PartitionKey, made: Log | Exception) -> None:
        if key.topic_id not in self._by_id:
            self._to_delete[key.topic_id] = None
        elif isinstance(made, Log):
            self._adopt(key, made)
        else:
            logger.error("%s could not be made: %s", key.name, made)
            self._by_id[key.topic_id][key.partition] = ErrorCode.kafka_storage_error
            if isinstance(made, DiskFullError) or self._undeleted or self._unremoved:  # One may have had its name.
                self._unplaced[key] = None

    def _retry_undeleted(self) -> None:
        undeleted, self._undeleted = self._undeleted, {}
        self._to_delete.update(undeleted)
        unremoved, self._unremoved = self._unremoved, {}
        self._to_remove.update(unremoved)
        self._retry_unplaced("")

    def _retry_unplaced(self, _: str) -> None:
        unplaced, self._unplaced = self._unplaced, {}
        self._to_create.update(unplaced)
        self._work()


def _is_outdated(log: Log, image: PartitionImage, cluster: ClusterImage) -> bool:
    """Whoever drops a replica begins a leader epoch that this replica never sees."""
    return cluster.restored == 0 and log.epochs.latest_epoch < image.leader_epoch
