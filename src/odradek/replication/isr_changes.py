"""Keeps the in-sync replicas of led partitions true: who lags leaves, who has caught up joins.

Who catches up is noticed at its fetch, who lags by a look at every led partition each half of replica.lag.time.max.ms,
as in Kafka. What is to change is written for many partitions together, by one task; while the metadata store does not
answer, it is tried again.

A broker whose disk takes no writes, because it is full or has failed, is itself who must leave: as a leader another one
leads then, as a follower the leader need not wait for it until it lags. It is noticed at the first write that is
refused, else at the next look.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from odradek.cluster.cluster import Cluster
from odradek.cluster.grayness import gray_brokers
from odradek.cluster.image import ImageDelta
from odradek.cluster.in_sync import IsrChange, Outcome, given_up, left
from odradek.config import BrokerConfig
from odradek.host.pace import paced
from odradek.replication.partition import Partition

logger = logging.getLogger(__name__)

RETRY_S = 0.5
CHANGES_MAX = 1_000
"""Written before others that have come up are looked at."""


class IsrChanges:
    """`start`, then `look_at` partitions; `stop`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        cluster: Cluster,
        config: Callable[[], BrokerConfig],
        partitions: Callable[[], Iterable[Partition]],
    ) -> None:
        self._loop, self._cluster, self._config, self._partitions = loop, cluster, config, partitions
        self._pending: dict[Partition, None] = {}
        """To be looked at; at most all partitions led here."""
        self._is_wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.shrinks = self.expansions = 0
        """Since the start, as Kafka's IsrShrinksPerSec and IsrExpandsPerSec count them."""

    def start(self) -> None:
        self._tasks = [self._loop.create_task(self._write_for_ever()), self._loop.create_task(self._look_for_ever())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def on_delta(self, delta: ImageDelta) -> None:
        """Brokers that have become gray, or are no longer, may have to leave, or may join."""
        if delta.brokers and gray_brokers(delta.before) != gray_brokers(delta.after):
            for partition in self._partitions():
                if partition.has_followers:
                    self.look_at(partition)

    def look_at(self, partition: Partition) -> None:
        """A replica of it may have become in sync, or its disk refuses writes."""
        self._pending[partition] = None
        self._is_wanted.set()

    @property
    def _lag_s_max(self) -> float:
        return float(self._config().get("replica.lag.time.max.ms")) / 1000

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._lag_s_max / 2)
            async for partition in paced(self._partitions()):
                if partition.has_followers or partition.refusal is not None:
                    self.look_at(partition)

    async def _write_for_ever(self) -> None:
        while True:
            await self._is_wanted.wait()
            self._is_wanted.clear()
            if not await self._write_pending():
                await asyncio.sleep(RETRY_S)

    async def _write_pending(self) -> bool:
        """Whether everything's outcome is known."""
        proposed: dict[Partition, IsrChange] = {}
        gray = gray_brokers(self._cluster.image)
        while self._pending and len(proposed) < CHANGES_MAX:
            partition = next(iter(self._pending))
            del self._pending[partition]
            change = self._propose(partition, gray)
            if change is not None:
                proposed[partition] = change
        if self._pending:
            self._is_wanted.set()
        outcomes = await self._cluster.change_isr(list(proposed.values()))
        for (partition, change), outcome in zip(proposed.items(), outcomes, strict=True):
            self._settle(partition, change, outcome)
        return Outcome.UNKNOWN not in outcomes

    def _propose(self, partition: Partition, gray: frozenset[int]) -> IsrChange | None:
        if partition.refusal is not None:
            return self._give_up(partition)
        cluster = self._cluster
        proposed = partition.propose_isr(cluster.broker_epoch, cluster.image.brokers, self._lag_s_max, gray)
        return None if proposed is None else IsrChange(partition.topic_id, partition.index, *proposed)

    def _give_up(self, partition: Partition) -> IsrChange | None:
        """None where this broker is not in sync, or leads and nobody else could."""
        image, broker_id = self._cluster.image, self._cluster.node_id
        state = image.parts.get(partition.topic_id, {}).get(partition.index)
        if state is None:
            return None
        if not state.is_led_by(broker_id, self._cluster.broker_epoch):
            isr = left(state, broker_id)
            return None if isr is None else IsrChange(partition.topic_id, partition.index, state, isr)
        found = given_up(state, image.brokers)
        return None if found is None else IsrChange(partition.topic_id, partition.index, state, *found)

    def _settle(self, partition: Partition, change: IsrChange, outcome: Outcome) -> None:
        if outcome is Outcome.COMMITTED:
            self._report(partition, change)
            return
        if change.successor is None and partition.has_followers:
            partition.isr_change_failed(change.before, is_certain=outcome is Outcome.REFUSED)
        if outcome is Outcome.UNKNOWN:
            self.look_at(partition)

    def _report(self, partition: Partition, change: IsrChange) -> None:
        before, after = set(change.before.isr), {broker_id for broker_id, _ in change.isr}
        self.shrinks += bool(before - after)
        self.expansions += bool(after - before)
        logger.info(
            "%s-%d: in sync are %s (%s)", partition.topic, partition.index, sorted(after), _difference(before, after)
        )
        if change.successor is not None:
            logger.warning(
                "%s-%d: broker %d leads from now on: %s",
                partition.topic, partition.index, change.successor[0], partition.refusal or "the disk was full",
            )  # fmt: skip


def _difference(before: set[int], after: set[int]) -> str:
    joined = [f"+{each}" for each in sorted(after - before)]
    return ", ".join(joined + [f"-{each}" for each in sorted(before - after)]) or "as before"
