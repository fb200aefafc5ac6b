"""The internal topic `__consumer_offsets`, made when the first client asks for a coordinator."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from kio.schema.errors import ErrorCode

from odradek.cluster.image import ClusterImage
from odradek.cluster.results import MetadataUnavailable, NewTopic, TopicResult
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.groups.settings import CoordinatorSettings

logger = logging.getLogger(__name__)

CREATION_WAIT_S = 1.0
"""How long one request waits for the topic: those behind it on its connection, fetches among them, wait as well."""


class TopicCreator(Protocol):
    """What is asked of `cluster.Cluster`."""

    @property
    def image(self) -> ClusterImage: ...

    async def create_topics(
        self, topics: Sequence[NewTopic], *, validate_only: bool = False
    ) -> Sequence[TopicResult]: ...


class OffsetsTopic:
    """Creates the topic once, however many ask at the same time."""

    def __init__(self, cluster: TopicCreator, settings: CoordinatorSettings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._creating: asyncio.Task[bool] | None = None

    async def ensure(self) -> bool:
        """Whether the topic exists now. False: it could not be made so far, and the caller may ask again."""
        if OFFSETS_TOPIC in self._cluster.image.topics:
            return True
        if self._creating is None:
            self._creating = asyncio.get_running_loop().create_task(self._create())
            self._creating.add_done_callback(self._created)
        creating = self._creating
        await asyncio.wait([creating], timeout=CREATION_WAIT_S)
        return creating.done() and creating.result()

    async def _create(self) -> bool:
        try:
            (result,) = await self._cluster.create_topics([self._new_topic()])
        except MetadataUnavailable as error:
            logger.warning("%s could not be created: %s", OFFSETS_TOPIC, error)
            return False
        if result.error not in (ErrorCode.none, ErrorCode.topic_already_exists):
            logger.warning("%s could not be created: %s %s", OFFSETS_TOPIC, result.error.name, result.message or "")
        return OFFSETS_TOPIC in self._cluster.image.topics

    def _created(self, _: "asyncio.Task[bool]") -> None:
        self._creating = None

    def _new_topic(self) -> NewTopic:
        """With fewer brokers than copies asked for, one copy on each."""
        settings = self._settings
        copies = max(1, min(settings.topic_replication_factor, len(self._cluster.image.active_brokers())))
        configs: dict[str, str | None] = {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(settings.topic_segment_bytes),
        }
        return NewTopic(OFFSETS_TOPIC, settings.topic_partitions, copies, configs=configs)
