"""Creating, growing and deleting topics: plan on the image, write, plan again when a race was lost."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from kio.schema.errors import ErrorCode

from odradek.cluster.ids import ZERO_UUID, random_uuid
from odradek.cluster.image import ClusterImage, TopicImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.records import DeletedRecord, PartitionRecord, decode
from odradek.cluster.results import (
    DeleteResult,
    MetadataUnavailable,
    NewPartitions,
    NewTopic,
    PartitionsResult,
    Refusal,
    TopicResult,
    refusal,
    unavailable,
)
from odradek.cluster.topic_defaults import topic_defaults
from odradek.cluster.topic_plans import (
    MAX_PARTITIONS_PER_REQUEST,
    TopicPlan,
    plan_growth,
    plan_topic,
    too_many_partitions,
)
from odradek.cluster.topic_writes import TopicWrites
from odradek.cluster.writer import Writer, unchanged
from odradek.config import BrokerConfig, TopicConfig
from odradek.config.topic_config import validate_topic_overrides
from odradek.metastore.store import Compare, Delete, LimitExceeded, Put, Revision

log = logging.getLogger(__name__)

RACES_MAX = 8
"""How often a change that lost a race is planned again before the client is told to try later."""


class Topics:
    """`config` and `owner` (broker id and present epoch) are asked each time, because both change.

    `on_abandoned` is told when an intent of this broker stays behind: its duties then undo it.
    """

    def __init__(
        self,
        feed: ImageFeed,
        keys: Keys,
        writer: Writer,
        writes: TopicWrites,
        config: Callable[[], BrokerConfig],
        owner: Callable[[], tuple[int, int]],
        source: random.Random,
        on_abandoned: Callable[[], None],
    ) -> None:
        self._feed, self._keys, self._writer, self._writes = feed, keys, writer, writes
        self._config, self._owner, self._random = config, owner, source
        self._on_abandoned = on_abandoned
        self._growing = asyncio.Lock()
        self.in_progress: dict[UUID, None] = {}
        """Topics whose intent this broker is working on."""

    # --- create ---

    async def create(self, topics: Sequence[NewTopic], validate_only: bool) -> list[TopicResult]:
        plans = self._plan_all(topics)
        planned = sum(len(plan.partitions) for plan in plans if isinstance(plan, TopicPlan))
        if planned > MAX_PARTITIONS_PER_REQUEST:
            plans = [too_many_partitions() for _ in topics]
        steps = [self._create(topic, plan, validate_only) for topic, plan in zip(topics, plans, strict=True)]
        return list(await asyncio.gather(*steps))

    def _plan_all(self, topics: Sequence[NewTopic]) -> list[TopicPlan | Refusal]:
        """A name given twice refuses both, as in Kafka."""
        times = Counter(topic.name for topic in topics)
        duplicate = Refusal(ErrorCode.invalid_request, "Duplicate topic name.")
        return [duplicate if times[topic.name] > 1 else self._plan(topic) for topic in topics]

    def _plan(self, topic: NewTopic) -> TopicPlan | Refusal:
        config = self._config()
        start = self._random.randrange(1 << 30)
        defaults = topic_defaults(config, len(self._feed.image.active_brokers()), start)
        return plan_topic(self._feed.image, topic, defaults, self._min_isr)

    def _min_isr(self, configs: object) -> int:
        assert isinstance(configs, dict)
        validate_topic_overrides(self._config(), configs)
        return TopicConfig.of(self._config(), configs).min_insync_replicas

    async def _create(self, topic: NewTopic, plan: TopicPlan | Refusal, validate_only: bool) -> TopicResult:
        try:
            return await self._create_planned(topic, plan, validate_only)
        except MetadataUnavailable as error:
            log.warning("Topic %s may or may not have been created: %s", topic.name, error)
            return TopicResult(topic.name, *_unavailable(error))

    async def _create_planned(self, topic: NewTopic, plan: TopicPlan | Refusal, validate_only: bool) -> TopicResult:
        for _ in range(RACES_MAX):
            if isinstance(plan, Refusal):
                return TopicResult(topic.name, plan.error, plan.message)
            topic_id = random_uuid(self._random)
            if validate_only:
                return _created(plan, ZERO_UUID)
            written = await self._try_create(topic_id, plan)
            if isinstance(written, Refusal):
                return TopicResult(topic.name, written.error, written.message)
            if written is not None:
                return _created(plan, topic_id)
            await self._undo_own(topic_id, self._keys.topic(topic.name))
            plan = self._plan(topic)
        return TopicResult(topic.name, *_timed_out())

    async def _try_create(self, topic_id: UUID, plan: TopicPlan) -> Revision | Refusal | None:
        self.in_progress[topic_id] = None
        try:
            revision = await self._writes.create(topic_id, plan, self._owner(), self._guards(plan.partitions))
            if revision is not None:
                await self._feed.reach(revision)
            return revision
        except LimitExceeded as error:
            return Refusal(ErrorCode.invalid_config, str(error))
        finally:
            self._end(topic_id)

    def _end(self, topic_id: UUID) -> None:
        del self.in_progress[topic_id]
        if topic_id in self._feed.image.intents:
            self._on_abandoned()

    def _guards(self, partitions: Sequence[PartitionRecord]) -> list[Compare]:
        """The brokers of every ISR are still registered as they were."""
        brokers = {entry[0]: None for partition in partitions for entry in partition.isr}
        image = self._feed.image
        return [unchanged(self._keys.broker(broker), image.brokers[broker].mod_revision) for broker in brokers]

    async def _undo_own(self, topic_id: UUID, key: bytes) -> None:
        """Before planning again: catch up, and remove what a creation that lost its race has left."""
        image = await self._catch_up(key)
        intent = image.intents.get(topic_id)
        if intent is not None and (intent.record.broker, intent.record.broker_epoch) == self._owner():
            await self._writes.undo(topic_id, intent, image)
            await self._catch_up(key)

    async def _catch_up(self, key: bytes) -> ClusterImage:
        _, revision = await self._writer.get(key)
        return await self._feed.reach(revision)

    # --- grow ---

    async def grow(self, growths: Sequence[NewPartitions], validate_only: bool) -> list[PartitionsResult]:
        times = Counter(growth.name for growth in growths)
        return [
            PartitionsResult(growth.name, ErrorCode.invalid_request, "Duplicate topic name.")
            if times[growth.name] > 1
            else await self._grow(growth, validate_only)
            for growth in growths
        ]

    async def _grow(self, growth: NewPartitions, validate_only: bool) -> PartitionsResult:
        async with self._growing:
            try:
                return await self._grow_alone(growth, validate_only)
            except MetadataUnavailable as error:
                log.warning("Topic %s may or may not have grown: %s", growth.name, error)
                return PartitionsResult(growth.name, *_unavailable(error))

    async def _grow_alone(self, growth: NewPartitions, validate_only: bool) -> PartitionsResult:
        for _ in range(RACES_MAX):
            plan = plan_growth(self._feed.image, growth, self._random.randrange(1 << 30))
            if isinstance(plan, Refusal):
                return PartitionsResult(growth.name, plan.error, plan.message)
            if validate_only or await self._try_grow(*plan):
                return PartitionsResult(growth.name)
            await self._undo_own(plan[0].topic_id, self._keys.topic(growth.name))
        return PartitionsResult(growth.name, *_timed_out())

    async def _try_grow(self, topic: TopicImage, added: list[PartitionRecord]) -> bool:
        self.in_progress[topic.topic_id] = None
        try:
            revision = await self._writes.grow(topic, added, self._owner(), self._guards(added))
            if revision is not None:
                await self._feed.reach(revision)
            return revision is not None
        finally:
            self._end(topic.topic_id)

    # --- delete ---

    async def delete(self, names_or_ids: Sequence[str | UUID]) -> list[DeleteResult]:
        return list(await asyncio.gather(*[self._delete(wanted) for wanted in names_or_ids]))

    async def _delete(self, wanted: str | UUID) -> DeleteResult:
        try:
            for _ in range(RACES_MAX):
                topic = self._find(wanted)
                if isinstance(topic, DeleteResult):
                    return topic
                revision = await self._writes.delete(topic)
                if revision is not None:
                    await self._feed.reach(revision)
                    return DeleteResult(topic.name, topic.topic_id)
                await self._catch_up(self._keys.topic(topic.name))
        except MetadataUnavailable as error:
            log.warning("Topic %s may or may not have been deleted: %s", wanted, error)
            return _not_deleted(wanted, *_unavailable(error))
        return _not_deleted(wanted, *_timed_out())

    def _find(self, wanted: str | UUID) -> TopicImage | DeleteResult:
        image = self._feed.image
        if isinstance(wanted, str):
            topic = image.topics.get(wanted)
            unknown = refusal(ErrorCode.unknown_topic_or_partition)
            return topic or DeleteResult(wanted, ZERO_UUID, unknown.error, unknown.message)
        topic = image.topics_by_id.get(wanted)
        unknown = refusal(ErrorCode.unknown_topic_id)
        return topic or DeleteResult(None, wanted, unknown.error, unknown.message)

    async def confirm_deleted(self, topic_id: UUID) -> None:
        """This broker has no file of the topic any more. Raises MetadataUnavailable."""
        key, broker = self._keys.deleted(topic_id), self._owner()[0]
        while True:
            found, _ = await self._writer.get(key)
            record = None if found is None else decode(DeletedRecord, found.value)
            if found is None or record is None or broker not in record.waiting:
                return
            waiting = tuple(other for other in record.waiting if other != broker)
            shorter = msgspec.structs.replace(record, waiting=waiting, op_id=self._writer.new_op_id())
            operation = Put(key, shorter.encode()) if waiting else Delete(key)
            revision = await self._writer.commit([unchanged(key, found.mod_revision)], [operation])
            if revision is not None:
                await self._feed.reach(revision)


def _created(plan: TopicPlan, topic_id: UUID) -> TopicResult:
    return TopicResult(
        plan.name,
        topic_id=topic_id,
        num_partitions=len(plan.partitions),
        replication_factor=len(plan.partitions[0].replicas),
        configs=plan.configs,
    )


def _not_deleted(wanted: str | UUID, error: ErrorCode, message: str | None) -> DeleteResult:
    name, topic_id = (wanted, ZERO_UUID) if isinstance(wanted, str) else (None, wanted)
    return DeleteResult(name, topic_id, error, message)


def _unavailable(error: MetadataUnavailable) -> tuple[ErrorCode, str | None]:
    refused = unavailable(error)
    return refused.error, refused.message


def _timed_out() -> tuple[ErrorCode, str | None]:
    refused = refusal(ErrorCode.request_timed_out)
    return refused.error, refused.message
