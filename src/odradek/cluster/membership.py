"""A broker's place in the cluster: its registration, the lease that shows it is alive, the controller's seat."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from odradek.cluster.image import ClusterImage
from odradek.cluster.keys import Keys
from odradek.cluster.lease_clock import LeaseClock
from odradek.cluster.records import (
    BrokerRecord,
    ControllerRecord,
    CounterRecord,
    Endpoint,
    HistoryRecord,
    LiveRecord,
    LoadRecord,
    SuspectRecord,
    decode,
)
from odradek.cluster.results import ClusterStartError
from odradek.cluster.writer import Writer, absent, unchanged
from odradek.log.life import Proof
from odradek.metastore.store import (
    KV,
    Compare,
    Delete,
    Lease,
    LeaseLost,
    MetadataStore,
    Put,
    Revision,
    Target,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this broker is. `directory_id` names its data directory, whose lock this process holds."""

    broker_id: int
    incarnation: str
    endpoints: tuple[Endpoint, ...]
    rack: str | None
    directory_id: str


def proven_since(previous: BrokerRecord, proof: Proof) -> int:
    """The earliest broker epoch since which nothing was lost, -1 when that is not proven.

    Each registration proves what lies between it and the one before: a broker that dies again and again keeps what it
    had all along.
    """
    if proof.epoch != previous.epoch and (not proof.incarnation or proof.incarnation != previous.incarnation):
        return -1
    return previous.epoch if previous.predecessor_epoch < 0 else previous.predecessor_epoch


class Membership:
    """`epoch` and `lease` are those of the last registration; a new one changes both."""

    def __init__(self, store: MetadataStore, keys: Keys, writer: Writer, identity: Identity, lease_ttl_s: float):
        self._store, self._keys, self._writer = store, keys, writer
        self.identity, self._lease_ttl_s = identity, lease_ttl_s
        self.epoch = -1
        self.epoch_floor = 0
        """Epochs given before the metadata was recovered are not above it."""
        self.lease = Lease(0, lease_ttl_s)

    async def require_free(self) -> None:
        """Raises ClusterStartError when another process has this broker id."""
        earlier, _ = await self._writer.get(self._keys.broker(self.identity.broker_id))
        await self._earlier_lease(None if earlier is None else decode(BrokerRecord, earlier.value))

    async def register(self, proof: Proof) -> Revision:
        """Register with a new broker epoch, fenced until the controller has looked at its partitions.

        `proof`: since when nothing was lost.
        Raises ClusterStartError when another process has this broker id, MetadataUnavailable.
        """
        while True:
            earlier, revision = await self._writer.get(self._keys.broker(self.identity.broker_id))
            previous = None if earlier is None else decode(BrokerRecord, earlier.value)
            await self._end_earlier_lease(previous)
            lease = await self._store.grant(self._lease_ttl_s)
            above = max(self.epoch_floor, -1 if previous is None else previous.epoch)
            record = self._record(previous, max(revision, above) + 1, proof)
            try:
                registered = await self._write(earlier, record, lease)
            except LeaseLost:
                continue
            if registered is not None:
                self.epoch, self.lease = record.epoch, lease
                return registered

    def _record(self, previous: BrokerRecord | None, epoch: int, proof: Proof) -> BrokerRecord:
        """`epoch` is above all it had before: each registration takes a revision of its own."""
        identity = self.identity
        return BrokerRecord(
            epoch=epoch,
            incarnation=identity.incarnation,
            endpoints=identity.endpoints,
            rack=identity.rack,
            directory_id=identity.directory_id,
            predecessor_epoch=-1 if previous is None else proven_since(previous, proof),
            op_id=self._writer.new_op_id(),
        )

    async def _write(self, earlier: KV | None, record: BrokerRecord, lease: Lease) -> Revision | None:
        broker, live = self._keys.broker(self.identity.broker_id), self._keys.live(self.identity.broker_id)
        when = [unchanged(broker, 0 if earlier is None else earlier.mod_revision), absent(live)]
        then = [
            Put(broker, record.encode()),
            Put(live, LiveRecord(record.epoch).encode(), lease.id),
            self._token("registered"),
        ]
        return await self._writer.commit(when, then)

    def _token(self, kind: Literal["registered", "controller"]) -> Put:
        """From here on the store's history has another name."""
        record = HistoryRecord(self.identity.broker_id, kind)
        return Put(self._keys.history(self._writer.new_op_id()), record.encode())

    async def _end_earlier_lease(self, previous: BrokerRecord | None) -> None:
        """The same data directory, locked by us, proves that whoever had the lease is dead."""
        live = await self._earlier_lease(previous)
        if live is not None:
            await self._store.revoke(live.lease)

    async def _earlier_lease(self, previous: BrokerRecord | None) -> KV | None:
        live, _ = await self._writer.get(self._keys.live(self.identity.broker_id))
        if live is not None and previous is not None and previous.directory_id != self.identity.directory_id:
            raise ClusterStartError(
                f"broker id {self.identity.broker_id} is in use by another broker"
                + "".join(f" at {endpoint.host}:{endpoint.port}" for endpoint in previous.endpoints[:1])
            )
        return live

    async def campaign(self) -> bool:
        """Take the controller's seat if it is free. Raises MetadataUnavailable, LeaseLost."""
        seat, _ = await self._writer.get(self._keys.controller)
        if seat is not None:
            return False
        counter, _ = await self._writer.get(self._keys.controller_epoch)
        epoch = 1 + (0 if counter is None else decode(CounterRecord, counter.value).value)
        counted = CounterRecord(epoch, self._writer.new_op_id())
        taken = await self._writer.commit(
            [
                absent(self._keys.controller),
                unchanged(self._keys.controller_epoch, 0 if counter is None else counter.mod_revision),
            ],
            [
                Put(self._keys.controller_epoch, counted.encode()),
                Put(self._keys.controller, ControllerRecord(self.identity.broker_id, epoch).encode(), self.lease.id),
                self._token("controller"),
            ],
        )
        if taken is not None:
            log.info("Broker %d is the controller, epoch %d", self.identity.broker_id, epoch)
        return taken is not None

    async def report_load(self, load: LoadRecord) -> None:
        """Until the lease ends. Raises MetadataUnavailable, LeaseLost."""
        put = Put(self._keys.load(self.identity.broker_id), load.encode(), self.lease.id)
        await self._writer.commit([], [put])

    async def keep_alive(self, clock: LeaseClock, now_s: Callable[[], float]) -> None:
        """Until the lease is lost; the clock is told of each renewal. Raises LeaseLost, NotApplied."""
        asked_s = now_s()
        async for ack in self._store.keepalive(self.lease.id):
            clock.renewed(asked_s, ack.ttl)
            asked_s = now_s()

    async def announce_leaving(self) -> None:
        """Count as a broker that leads nothing and is in no ISR from now on. Raises MetadataUnavailable."""
        await self._change_record(draining=True)

    async def declare_gray(self, reason: str) -> None:
        """Say why others should lead, or nothing once that is over. Raises MetadataUnavailable."""
        await self._change_record(gray=reason)

    async def _change_record(self, **fields: Any) -> None:
        """Of this registration; what another one says is left alone."""
        key = self._keys.broker(self.identity.broker_id)
        while True:
            found, _ = await self._writer.get(key)
            if found is None or (record := decode(BrokerRecord, found.value)).epoch != self.epoch:
                return
            changed = msgspec.structs.replace(record, **fields)
            if changed == record:
                return
            put = Put(key, msgspec.structs.replace(changed, op_id=self._writer.new_op_id()).encode())
            if await self._writer.commit([unchanged(key, found.mod_revision)], [put]):
                return

    async def suspect(self, broker_id: int, epoch: int) -> None:
        """Say that a broker's process is dead, as long as this one lives. Raises MetadataUnavailable, LeaseLost."""
        key = self._keys.suspect(broker_id, self.identity.broker_id)
        await self._writer.commit([], [Put(key, SuspectRecord(epoch).encode(), self.lease.id)])

    async def acquit(self, broker_id: int) -> None:
        """Take it back. Raises MetadataUnavailable."""
        await self._writer.commit([], [Delete(self._keys.suspect(broker_id, self.identity.broker_id))])

    async def depose(self, image: ClusterImage) -> None:
        """Free the seat of a controller that was found dead. Raises MetadataUnavailable."""
        key = self._keys.controller
        await self._writer.commit([Compare(key, Target.CREATE, image.controller_revision)], [Delete(key)])

    async def resign(self) -> None:
        """End the lease, so that others need not wait for it to expire."""
        await self._store.revoke(self.lease.id)
