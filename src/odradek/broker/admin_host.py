"""What the metadata and admin handlers need of a broker, and small things they share."""

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from odradek.broker.topic_metadata import TopicMetadata
from odradek.cluster.cluster import Cluster
from odradek.config import BrokerConfig
from odradek.groups.coordinator import GroupCoordinator
from odradek.log.manager import LogManager
from odradek.replication.replica_manager import ReplicaManager

logger = logging.getLogger(__name__)

T = TypeVar("T")

CLUSTER_OPERATIONS = 8096
"""All operations a cluster has, as the bits of KIP-430; without authorization everybody may do everything."""
TOPIC_OPERATIONS = 3576
"""All operations a topic has."""


class AdminHost(Protocol):
    """The part of `Broker` these handlers use."""

    @property
    def node_id(self) -> int: ...
    @property
    def config(self) -> BrokerConfig: ...
    @property
    def cluster(self) -> Cluster: ...
    @property
    def logs(self) -> LogManager: ...
    @property
    def replicas(self) -> ReplicaManager: ...
    @property
    def groups(self) -> GroupCoordinator: ...
    @property
    def topic_metadata(self) -> TopicMetadata: ...


async def within(timeout: timedelta, work: Coroutine[Any, Any, T]) -> T:
    """The work's result. Raises TimeoutError when the client's time is over; the work then still goes on."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_report)
    return await asyncio.wait_for(asyncio.shield(task), max(timeout.total_seconds(), 0.0))


def _report(task: asyncio.Task[Any]) -> None:
    """Whatever became of work nobody waits for any more."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.debug("an administrative change failed: %s", error)
