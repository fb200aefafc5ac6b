"""The store, its socket and the brokers, begun and ended in the order in which they need each other."""

import asyncio
import logging
from collections.abc import Sequence

from odradek.broker.options import ReadyWorker
from odradek.cluster.keys import Keys
from odradek.metastore.shared.server import StoreServer
from odradek.metastore.store import MetadataStore, NotApplied, OutcomeUnknown, StoreError
from odradek.supervisor.keeper import Keeper
from odradek.supervisor.plan import WorkerPlan
from odradek.supervisor.retiring import is_retired

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 60.0
"""A broker that has not stopped by then is killed: its log recovers as after any crash."""
REVOKE_TRIES = 5
REVOKE_PAUSE_S = 0.2


class Supervisor:
    """`failed` is done, with the reason, when nothing can go on and everything must be stopped."""

    def __init__(self, store: MetadataStore, socket_path: str, plans: Sequence[WorkerPlan], keys: Keys) -> None:
        self._store, self._socket_path, self._keys = store, socket_path, keys
        self._keepers = [Keeper(plan, self._end_lease, self._is_retired) for plan in plans]
        self._server: StoreServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def start(self) -> list[ReadyWorker]:
        """Returns when every broker serves. Raises StartError when one cannot, StoreError, OSError."""
        info = await self._store.open()
        self._server = StoreServer(self._store, info, self._socket_path)
        await self._server.start()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(keeper.run()) for keeper in self._keepers]
        return await asyncio.gather(*(asyncio.shield(keeper.first_ready) for keeper in self._keepers))

    async def stop(self) -> bool:
        """The brokers first, the store last. Whether all of them ended by themselves."""
        for keeper in self._keepers:
            keeper.stop()
        is_clean = await self._ended(STOP_TIMEOUT_S)
        if not is_clean:
            log.error("A broker has not stopped within %g s: it is killed", STOP_TIMEOUT_S)
            for keeper in self._keepers:
                keeper.kill()
            await self._ended(None)
        if self._server is not None:
            await self._server.stop()
        await self._store.close()
        return is_clean

    async def _ended(self, timeout_s: float | None) -> bool:
        if not self._tasks:
            return True
        _, running = await asyncio.wait(self._tasks, timeout=timeout_s)
        return not running

    async def _is_retired(self, node_id: int) -> bool:
        """As far as the store can be asked; a broker is rather started once too often."""
        try:
            return await is_retired(self._store, self._keys, node_id)
        except StoreError as error:
            log.warning("Whether broker %d is still wanted cannot be told: %s", node_id, error)
            return False

    async def _end_lease(self, node_id: int) -> None:
        """The process is gone, so nobody waits for its lease: the controller fences the broker now."""
        try:
            for _ in range(REVOKE_TRIES):
                if await self._try_end_lease(node_id):
                    return
                await asyncio.sleep(REVOKE_PAUSE_S)
            log.error("The lease of broker %d cannot be ended: the cluster waits until it expires", node_id)
        except StoreError as error:
            log.critical("The metadata store has failed: %s", error)
            if not self.failed.done():
                self.failed.set_result(error)

    async def _try_end_lease(self, node_id: int) -> bool:
        try:
            live, _ = await self._store.get(self._keys.live(node_id))
            if live is not None and live.lease:
                await self._store.revoke(live.lease)
                log.warning("Broker %d died: its lease is ended", node_id)
        except (NotApplied, OutcomeUnknown):
            return False
        return True
