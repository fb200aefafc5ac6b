"""Looks, once a second, at whether this broker still does its work, and says so to the cluster when it does not.

What it looks at: how late it is itself (the event loop stood still), writes and awaited syncs that the disk has not
ended for a look's time, and whether the brokers that follow partitions led here still fetch. What follows from it is
decided by `cluster.grayness`.

A leader that nobody follows any more and that has no answer from the metadata store has been replaced, as far as it can
know: it stops serving what others may lead, instead of letting clients wait, until the store answers again.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from odradek.cluster.grayness import LOOK_S, TOLD, Grayness, Reason
from odradek.cluster.results import MetadataUnavailable
from odradek.host.pace import paced
from odradek.metastore.store import LeaseLost, NotApplied
from odradek.replication.hearing import Hearing

if TYPE_CHECKING:
    from odradek.broker.broker import Broker

logger = logging.getLogger(__name__)

PEERS_MIN = 2
"""With one other broker it cannot be told which of the two does not hear the other."""


class GrayWatch:
    """`run` is a task of the broker."""

    def __init__(self, broker: "Broker", hearing: Hearing) -> None:
        self._broker, self._hearing = broker, hearing
        config = broker.config
        self._grayness = Grayness(config.get("odradek.gray.after.ms") / 1000, config.get("odradek.gray.calm.ms") / 1000)

    async def run(self) -> None:
        loop = self._broker.loop
        looked_at = loop.time()
        while True:
            await asyncio.sleep(LOOK_S)
            now = loop.time()
            if len(self._broker.cluster.image.brokers) > 1:
                await self._look(now, now - looked_at)
            looked_at = now

    async def _look(self, now: float, elapsed_s: float) -> None:
        silent, expected = await self._silence()
        self._withdraw_or_return(is_alone=expected > 0 and silent == expected)
        lost: Reason = ""
        logs = self._broker.logs
        if logs.waits_since(now - LOOK_S) or logs.flusher.is_awaited_since(now - LOOK_S):
            lost = "disk"
        elif silent >= PEERS_MIN and 2 * silent > expected:
            lost = "peers"
        self._grayness.look(now, elapsed_s, lost)
        await self._tell()

    async def _silence(self) -> tuple[int, int]:
        """How many of the brokers that should fetch here do not, and how many should."""
        image, hearing = self._broker.cluster.image, self._hearing
        hearing.forget_all_but({broker.broker_id for broker in image.active_brokers()})
        silent = set(hearing.silent())
        if silent:
            for broker_id in silent - await self._needed(silent):
                hearing.forget(broker_id)
            silent &= set(hearing.silent())
        return len(silent), hearing.expected

    async def _needed(self, brokers: set[int]) -> set[int]:
        """Those of them that are in sync in a partition led here."""
        found: set[int] = set()
        async for partition in paced(self._broker.replicas.partitions()):
            found |= {broker_id for broker_id in brokers - found if partition.has_in_sync(broker_id)}
            if found == brokers:
                break
        return found

    def _withdraw_or_return(self, *, is_alone: bool) -> None:
        replicas = self._broker.replicas
        if not self._broker.cluster.is_doubtful():
            if replicas.has_withdrawn:
                logger.info("The metadata store answers again: this broker leads what it still does")
                replicas.return_to_lead()
        elif is_alone and not replicas.has_withdrawn:
            logger.warning("Neither the metadata store nor a follower is heard: others may lead, clients are sent away")
            replicas.withdraw()

    async def _tell(self) -> None:
        """In the broker's own record; after a new registration again."""
        cluster, reason = self._broker.cluster, self._grayness.reason
        own = cluster.image.brokers.get(cluster.node_id)
        if own is None or own.gray == reason:
            return
        if reason:
            logger.warning("This broker is gray, others should lead: %s", TOLD[reason])
        else:
            logger.info("This broker does its work again")
        try:
            await cluster.declare_gray(reason)
        except (MetadataUnavailable, NotApplied, LeaseLost) as error:
            logger.warning("That is told later: %s", error)
