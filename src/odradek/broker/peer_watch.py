"""Sees other brokers' processes die: a connection to each that carries nothing and ends when the process does.

What is found is told to the cluster (`cluster.suspicion`), where it counts only when most of the brokers say it. A
connection that merely times out proves nothing: that is the lease's business.
"""

import asyncio
import logging
from collections.abc import Callable

from odradek.cluster.cluster import Cluster
from odradek.cluster.image import BrokerImage, ClusterImage, ImageDelta
from odradek.cluster.records import Endpoint
from odradek.cluster.results import MetadataUnavailable
from odradek.cluster.suspicion import REFUSED_S
from odradek.metastore.store import LeaseLost, NotApplied

logger = logging.getLogger(__name__)

ATTEMPT_S = 0.1
"""Between two attempts to reach a broker that refuses."""
CONNECT_TIMEOUT_S = 2.0
UNCLEAR_S = 1.0
"""Before the next attempt after one that proved nothing."""


class PeerWatch:
    """One task for each other broker that is registered and not fenced. `endpoint_of`: where brokers reach it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, cluster: Cluster, endpoint_of: Callable[[BrokerImage], Endpoint | None]
    ) -> None:
        self._loop, self._cluster, self._endpoint_of = loop, cluster, endpoint_of
        self._tasks: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._is_watching = False

    def start(self) -> None:
        """Follow the cluster's image."""
        self._is_watching = True
        self._cluster.subscribe(self._on_delta)

    async def stop(self) -> None:
        if self._is_watching:
            self._is_watching = False
            self._cluster.unsubscribe(self._on_delta)
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_delta(self, delta: ImageDelta) -> None:
        if not delta.brokers and delta.before.revision:
            return
        wanted = _peers(delta.after, self._cluster.node_id)
        for key in [key for key in self._tasks if key not in wanted]:
            self._tasks.pop(key).cancel()
        for key, broker in wanted.items():
            endpoint = self._endpoint_of(broker)
            if key not in self._tasks and endpoint is not None:
                self._tasks[key] = self._loop.create_task(self._watch(*key, endpoint))

    async def _watch(self, broker_id: int, epoch: int, endpoint: Endpoint) -> None:
        """One that never answered is only starting: nothing is said of it."""
        refused_since: float | None = None
        is_known = is_told = False
        while True:
            try:
                lost = await self._connect(endpoint)
            except (ConnectionRefusedError, ConnectionResetError):
                now = self._loop.time()
                refused_since = now if refused_since is None else refused_since
                if is_known and not is_told and now - refused_since >= REFUSED_S:
                    is_told = await self._tell(broker_id, epoch)
                await asyncio.sleep(ATTEMPT_S)
            except (OSError, TimeoutError):
                refused_since = None
                await asyncio.sleep(UNCLEAR_S)
            else:
                refused_since, is_known = None, True
                if is_told:
                    is_told = not await self._take_back(broker_id)
                await lost

    async def _connect(self, endpoint: Endpoint) -> "asyncio.Future[None]":
        """Done when the connection ends. Raises OSError, TimeoutError."""
        lost: asyncio.Future[None] = self._loop.create_future()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            transport, _ = await self._loop.create_connection(lambda: _Lifeline(lost), endpoint.host, endpoint.port)
        lost.add_done_callback(lambda _: transport.close())
        return lost

    async def _tell(self, broker_id: int, epoch: int) -> bool:
        logger.warning("Broker %d (epoch %d) refuses connections: its process is dead", broker_id, epoch)
        try:
            await self._cluster.suspect(broker_id, epoch)
        except (MetadataUnavailable, NotApplied, LeaseLost) as error:
            logger.warning("That could not be told to the others: %s", error)
            return False
        return True

    async def _take_back(self, broker_id: int) -> bool:
        logger.info("Broker %d can be reached again", broker_id)
        try:
            await self._cluster.acquit(broker_id)
        except (MetadataUnavailable, NotApplied):
            return False
        return True


class _Lifeline(asyncio.Protocol):
    def __init__(self, lost: "asyncio.Future[None]") -> None:
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():
            self._lost.set_result(None)


def _peers(image: ClusterImage, own_id: int) -> dict[tuple[int, int], BrokerImage]:
    return {
        (broker.broker_id, broker.epoch): broker
        for broker in image.brokers.values()
        if broker.broker_id != own_id and not broker.fenced
    }
