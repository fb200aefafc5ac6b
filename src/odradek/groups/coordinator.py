"""The group coordinator of a broker: it leads the groups of those partitions of `__consumer_offsets` it leads.

Leadership of a partition starts a shard, which replays the partition before it serves; the loss of it ends the shard.
Requests for groups of other partitions are answered NOT_COORDINATOR, or COORDINATOR_LOAD_IN_PROGRESS during replay.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, Protocol
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.cluster.image import ImageDelta, TopicImage
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.groups.group import ClassicGroup
from odradek.groups.loading import Replay
from odradek.groups.offsets import TopicOffsets
from odradek.groups.partitioning import partition_for
from odradek.groups.records import CommittedOffset, CorruptRecordError, OffsetKey
from odradek.groups.settings import ConfigSource, CoordinatorSettings
from odradek.groups.shard import Shard
from odradek.groups.timers import Alarm, TimerHeap
from odradek.groups.topic import OffsetsTopic, TopicCreator
from odradek.groups.vocabulary import JoinRequest, JoinResult, LeavingMember, SyncRequest, SyncResult
from odradek.groups.writer import RecordWriter, StoredPartition
from odradek.host.clock import Clock
from odradek.log.errors import LogError
from odradek.replication.errors import PartitionError
from odradek.wire.errors import InvalidBatchError
from odradek.wire.record_codec import decode_batch

logger = logging.getLogger(__name__)

START_WAIT_S = 1.0
"""How long a client that looks for its coordinator waits for it to have started."""
LOAD_RETRY_S = 5.0
"""After a load that failed, as the disk may be read again."""
EXPIRY_SPREAD_S = 0.01
"""Between two shards' looks for expired offsets."""


class LedPartition(StoredPartition, Protocol):
    """What the coordinator asks of `replication.Partition`."""

    index: int
    log: Any
    """Its `config.max_message_bytes` bounds a batch; its `log_end_offset` is what has to be replayed."""

    def replay(self, from_offset: int, on_batch: Callable[[memoryview], None], /) -> Awaitable[object]: ...

    def may_be_replaced(self) -> bool: ...


class Leaderships(Protocol):
    """What the coordinator asks of `replication.ReplicaManager`."""

    def on_leadership(self, topic: str, listener: Callable[[LedPartition, bool], None], /) -> None: ...


class Metadata(TopicCreator, Protocol):
    """What the coordinator asks of `cluster.Cluster`."""

    def subscribe(self, callback: Callable[[ImageDelta], None], /) -> object: ...


class GroupCoordinator:
    """Made with the broker; serves from `start` to `stop`."""

    def __init__(
        self,
        replicas: Leaderships,
        cluster: Metadata,
        config: ConfigSource,
        clock: Clock,
        loop: asyncio.AbstractEventLoop,
        random: Random,
    ) -> None:
        self.settings = CoordinatorSettings.of(config)
        self._replicas = replicas
        self._cluster = cluster
        self._clock = clock
        self._loop = loop
        self._random = random
        self.topic = OffsetsTopic(cluster, self.settings)
        self._timers = TimerHeap(loop)
        self._shards: dict[int, Shard] = {}
        self._led: dict[int, LedPartition] = {}
        """The partition of each shard."""
        self._loads: dict[Shard, asyncio.Task[None]] = {}
        self._starts: dict[int, asyncio.Future[None]] = {}
        """Partitions whose shard somebody waits for."""
        self._expiry = Alarm(self._timers, self._expire)
        self._is_active = False

    # ---- life cycle

    def start(self) -> None:
        """Take up the partitions led now and from now on."""
        self._is_active = True
        self._cluster.subscribe(self._on_metadata)
        self._replicas.on_leadership(OFFSETS_TOPIC, self._on_leadership)
        self._expiry.ring_by(self._timers.now_ms() + self.settings.offsets_check_interval_ms)

    async def stop(self) -> None:
        """Answer whoever waits; nothing is stored afterwards."""
        self._is_active = False
        shards, self._shards = self._shards, {}
        for shard in shards.values():
            shard.close(ErrorCode.not_coordinator)
        self._timers.close()
        loads = list(self._loads.values())
        for load in loads:
            load.cancel()
        await asyncio.gather(*loads, return_exceptions=True)

    def _on_leadership(self, partition: LedPartition, is_leader: bool) -> None:
        shard = self._shards.pop(partition.index, None)
        if shard is not None:
            shard.close(ErrorCode.not_coordinator)
            load = self._loads.get(shard)
            if load is not None:
                load.cancel()
        if is_leader and self._is_active:
            self._take_up(partition)

    def _take_up(self, partition: LedPartition) -> None:
        writer = RecordWriter(
            partition,
            self._loop,
            self._timers,
            self._clock.time_ms,
            batch_bytes_max=lambda: int(partition.log.config.max_message_bytes),
            timeout_ms=self.settings.commit_timeout_ms,
            codec=self.settings.topic_codec,
        )
        shard = Shard(partition.index, self.settings.group, writer, self._timers, self._clock.time_ms)
        self._shards[partition.index] = shard
        self._led[partition.index] = partition
        self._loads[shard] = self._loop.create_task(self._load(shard, partition))

    async def _load(self, shard: Shard, partition: LedPartition) -> None:
        """What an earlier leader left above the high watermark counts too: wait until it is committed."""
        replay = Replay()

        def take(batch: memoryview) -> None:
            for record in decode_batch(batch):
                replay.add(record)

        try:
            committed = partition.commit(partition.log.log_end_offset - 1)
            if committed is not None:
                await _is_committed(committed)
            await partition.replay(0, take)
        except (LogError, OSError, PartitionError, InvalidBatchError, CorruptRecordError) as error:
            logger.error("%s-%d cannot be loaded, its groups are not served: %s", OFFSETS_TOPIC, shard.index, error)
            shard.close(ErrorCode.not_coordinator)
            self._loop.call_later(LOAD_RETRY_S, self._load_again, shard, partition)
        else:
            await shard.loaded(replay)
            self._forget_topics_gone(shard)
        finally:
            self._loads.pop(shard, None)
            if (start := self._starts.pop(shard.index, None)) is not None:
                start.set_result(None)

    def _load_again(self, failed: Shard, partition: LedPartition) -> None:
        """Unless this broker has ceased to lead the partition, and whoever leads it since loads it."""
        if self._shards.get(partition.index) is failed:
            self._take_up(partition)

    # ---- what changes around the groups

    def _on_metadata(self, delta: ImageDelta) -> None:
        for topic in delta.topics_deleted:
            for shard in self._active():
                shard.forget_topic(topic.name)

    def _forget_topics_gone(self, shard: Shard) -> None:
        """A topic may have been deleted while nobody led the shard, and made again under its name."""
        topics = self._cluster.image.topics
        shard.forget_offsets(lambda topic, topic_id: not _is(topics.get(topic), topic_id))

    def _expire(self) -> None:
        """One shard after the other, so that many groups do not hold up the loop."""
        for position, shard in enumerate(self._active()):
            self._loop.call_later(position * EXPIRY_SPREAD_S, self._expire_shard, shard)
        self._expiry.ring_by(self._timers.now_ms() + self.settings.offsets_check_interval_ms)

    def _expire_shard(self, shard: Shard) -> None:
        if shard.error is ErrorCode.none:
            shard.expire(self.settings.offsets_retention_ms)

    def _active(self) -> list[Shard]:
        return [shard for shard in self._shards.values() if shard.error is ErrorCode.none]

    # ---- which shard

    def partition_for(self, group_id: str) -> int:
        """The group's partition of `__consumer_offsets`; before the topic exists, as it will be."""
        topic = self._cluster.image.topics.get(OFFSETS_TOPIC)
        return partition_for(group_id, len(topic.partitions) if topic else self.settings.topic_partitions)

    def shard_of(self, group_id: str) -> Shard | ErrorCode:
        """The active shard of the group, or why there is none here."""
        if not self._is_active:
            return ErrorCode.coordinator_not_available
        index = self.partition_for(group_id)
        shard = self._shards.get(index)
        if shard is None or self._led[index].may_be_replaced():
            return ErrorCode.not_coordinator
        return shard if shard.error is ErrorCode.none else shard.error

    async def wait_for_shard(self, group_id: str) -> None:
        """For a group that this broker is to coordinate: give a shard that is only starting a moment to do so.

        A client that has just been told its coordinator would otherwise be sent away by it.
        """
        if isinstance(self.shard_of(group_id), Shard):
            return
        index = self.partition_for(group_id)
        if (start := self._starts.get(index)) is None:
            start = self._starts[index] = self._loop.create_future()
        await asyncio.wait([start], timeout=START_WAIT_S)

    def wall_ms(self) -> int:
        """Milliseconds since 1970, as it is stored with offsets."""
        return self._clock.time_ms()

    def new_member_id(self, prefix: str) -> str:
        """Client id, or instance id of a static member, and a random UUID."""
        return f"{prefix}-{UUID(int=self._random.getrandbits(128), version=4)}"

    # ---- members

    async def join(self, request: JoinRequest) -> JoinResult:
        """Waits for the join phase to end. Adds INVALID_GROUP_ID and INVALID_SESSION_TIMEOUT to `joining.join`."""
        if not request.group_id:
            return JoinResult(ErrorCode.invalid_group_id, request.member_id)
        limits = self.settings
        if not limits.session_timeout_ms_min <= request.session_timeout_ms <= limits.session_timeout_ms_max:
            return JoinResult(ErrorCode.invalid_session_timeout, request.member_id)
        shard = self.shard_of(request.group_id)
        if isinstance(shard, ErrorCode):
            return JoinResult(shard, request.member_id)
        waiter: asyncio.Future[JoinResult] = self._loop.create_future()
        shard.join(request, waiter)
        return await waiter

    async def sync(self, request: SyncRequest) -> SyncResult:
        """Waits for the leader's assignment to be stored."""
        shard = self.shard_of(request.group_id) if request.group_id else ErrorCode.invalid_group_id
        if isinstance(shard, ErrorCode):
            return SyncResult(shard)
        waiter: asyncio.Future[SyncResult] = self._loop.create_future()
        shard.sync(request, waiter)
        return await waiter

    def heartbeat(self, group_id: str, member_id: str, instance_id: str | None, generation_id: int) -> ErrorCode:
        """While the group is being loaded every heartbeat is taken on trust, as Kafka does."""
        shard = self.shard_of(group_id) if group_id else ErrorCode.invalid_group_id
        if isinstance(shard, ErrorCode):
            return ErrorCode.none if shard is ErrorCode.coordinator_load_in_progress else shard
        return shard.heartbeat(group_id, member_id, instance_id, generation_id)

    def leave(self, group_id: str, leaving: Sequence[LeavingMember]) -> tuple[ErrorCode, list[ErrorCode]]:
        """The error of the whole request, else those of the members."""
        shard = self.shard_of(group_id) if group_id else ErrorCode.invalid_group_id
        return (shard, []) if isinstance(shard, ErrorCode) else shard.leave(group_id, leaving)

    # ---- offsets

    def commit_offsets(
        self,
        group_id: str,
        member: tuple[str, str | None, int],
        version: int,
        commits: list[tuple[OffsetKey, CommittedOffset]],
    ) -> "asyncio.Future[ErrorCode]":
        """Done when the offsets are stored and committed. `member`: id, instance id, generation."""
        answer: asyncio.Future[ErrorCode] = self._loop.create_future()
        shard = self.shard_of(group_id)
        if isinstance(shard, ErrorCode):
            answer.set_result(shard)
        else:
            shard.commit(group_id, member, version, commits, _resolver(answer))
        return answer

    async def fetch_offsets(self, group_id: str, require_stable: bool) -> tuple[ErrorCode, TopicOffsets]:
        """Committed offsets. `require_stable` waits for those on their way (KIP-447)."""
        shard = self.shard_of(group_id)
        if isinstance(shard, Shard) and require_stable:
            drained = shard.writer.drained()
            if drained is not None:
                await asyncio.wait([drained], timeout=self.settings.commit_timeout_ms / 1000)
                if not drained.done():
                    # Clients of old do not retry COORDINATOR_NOT_AVAILABLE here.
                    return ErrorCode.not_coordinator, {}
                shard = self.shard_of(group_id)
        if isinstance(shard, ErrorCode):
            return shard, {}
        return ErrorCode.none, shard.offsets.of_group(group_id) if group_id in shard.groups else {}

    async def delete_offsets(self, group_id: str, keys: Sequence[OffsetKey]) -> tuple[ErrorCode, frozenset[str]]:
        """The error, and the topics whose offsets stay because the group reads them."""
        shard = self.shard_of(group_id) if group_id else ErrorCode.invalid_group_id
        if isinstance(shard, ErrorCode):
            return shard, frozenset()
        answer: asyncio.Future[tuple[ErrorCode, frozenset[str]]] = self._loop.create_future()

        def answered(error: ErrorCode, subscribed: frozenset[str]) -> None:
            if not answer.done():
                answer.set_result((error, subscribed))

        shard.delete_offsets(group_id, keys, answered)
        return await answer

    # ---- groups

    def group(self, group_id: str) -> ClassicGroup | ErrorCode:
        """The group, GROUP_ID_NOT_FOUND, or why it cannot be looked up here."""
        shard = self.shard_of(group_id)
        if isinstance(shard, ErrorCode):
            return shard
        return shard.groups.get(group_id, ErrorCode.group_id_not_found)

    def groups(self) -> list[ClassicGroup] | ErrorCode:
        """All groups of this coordinator, unless some are still being loaded."""
        if not self._is_active:
            return ErrorCode.coordinator_not_available
        shards = list(self._shards.values())
        if any(shard.error is ErrorCode.coordinator_load_in_progress for shard in shards):
            return ErrorCode.coordinator_load_in_progress
        return [group for shard in shards for group in shard.groups.values()]

    def delete_group(self, group_id: str) -> "asyncio.Future[ErrorCode]":
        """Done when the group's tombstones are stored and committed."""
        answer: asyncio.Future[ErrorCode] = self._loop.create_future()
        shard = self.shard_of(group_id)
        if isinstance(shard, ErrorCode):
            answer.set_result(shard)
        else:
            shard.delete_group(group_id, _resolver(answer))
        return answer


def _resolver(answer: "asyncio.Future[ErrorCode]") -> Callable[[ErrorCode], None]:
    def resolve(error: ErrorCode) -> None:
        if not answer.done():
            answer.set_result(error)

    return resolve


def _is(topic: TopicImage | None, topic_id: UUID | None) -> bool:
    """Whether an offset committed for that topic id is one of this topic."""
    return topic is not None and topic_id in (None, topic.topic_id)


async def _is_committed(commit: "asyncio.Future[None]") -> None:
    """Also where too few replicas are in sync by then: that forbids to write, not to read. Raises PartitionError."""
    try:
        await commit
    except PartitionError as error:
        if error.error is not ErrorCode.not_enough_replicas_after_append:
            raise
