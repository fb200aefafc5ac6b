"""The memory store keeps the contract, and misbehaves only when told to."""

import asyncio
import random

import pytest

from odradek.metastore.memory import Fault, Faults, Link, MemoryServer, MemoryStore
from odradek.metastore.store import (
    Compacted,
    Compare,
    LeaseLost,
    MetadataStore,
    NotApplied,
    OutcomeUnknown,
    Put,
    RevisionBatch,
    StoreRegressed,
    Target,
)
from tests.metastore.contract import StoreContract, Stores, batches, run, txn, values


class MemoryStores:
    def __init__(self) -> None:
        self.server = MemoryServer()
        self._open: list[MemoryStore] = []

    async def connect(self) -> MemoryStore:
        store = MemoryStore(self.server)
        await store.open()
        self._open.append(store)
        return store

    async def restart(self) -> MemoryStore:
        await self.close()
        return await self.connect()

    async def close(self) -> None:
        for store in self._open:
            await store.close()


@pytest.fixture
def stores() -> Stores:
    return MemoryStores()


class TestMemoryStore(StoreContract):
    pass


def with_fault(stores: Stores, fault: Fault) -> MemoryServer:
    """The next transaction meets the fault, those after it none."""
    assert isinstance(stores, MemoryStores)
    plan = [fault]
    stores.server.faults = Faults(random.Random(1), script=lambda _: plan.pop() if plan else Fault.NONE)
    return stores.server


ONCE = (Compare(b"a", Target.CREATE, 0),)


def test_a_refused_transaction_is_not_applied(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        with_fault(stores, Fault.REFUSED)
        with pytest.raises(NotApplied):
            await txn(store, Put(b"a", b"1"))
        assert await values(store) == {}

    run(stores, scenario)


def test_a_lost_reply_is_settled_by_the_same_compare_and_swap(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        with_fault(stores, Fault.REPLY_LOST)
        with pytest.raises(OutcomeUnknown):
            await txn(store, Put(b"a", b"op-1"), when=ONCE)
        again = await txn(store, Put(b"a", b"op-1"), when=ONCE)
        assert not again.succeeded
        assert await values(store) == {b"a": b"op-1"}

    run(stores, scenario)


def test_a_late_transaction_cannot_undo_what_came_before_it(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        server = with_fault(stores, Fault.APPLIED_LATE)
        server.faults.late_delay_s_max = 0.05
        with pytest.raises(OutcomeUnknown):
            await txn(store, Put(b"a", b"op-1"), when=ONCE, otherwise=(Put(b"came-late", b""),))
        settled = await txn(store, Put(b"a", b"op-2"), when=ONCE)
        assert settled.succeeded
        await batches(store, b"", settled.revision, settled.revision + 1)
        assert await values(store) == {b"a": b"op-2", b"came-late": b""}

    run(stores, scenario)


def test_a_late_transaction_is_applied_in_the_end(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        server = with_fault(stores, Fault.APPLIED_LATE)
        server.faults.late_delay_s_max = 0.05
        start = (await store.get(b""))[1]
        with pytest.raises(OutcomeUnknown):
            await txn(store, Put(b"a", b"late"))
        (batch,) = await batches(store, b"", start, start + 1)
        assert batch.events[0].value == b"late"

    run(stores, scenario)


def test_all_leases_can_end_at_once(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        leases = [await store.grant(60) for _ in range(3)]
        for lease in leases:
            last = await txn(store, Put(b"l/%d" % lease.id, b"", lease.id))
        assert isinstance(stores, MemoryStores)
        stores.server.expire_all_leases()
        ended = await batches(store, b"l/", last.revision, last.revision + 3)
        assert [len(batch.events) for batch in ended] == [1, 1, 1]
        with pytest.raises(LeaseLost):
            await anext(store.keepalive(leases[0].id))

    run(stores, scenario)


def test_a_watch_behind_the_history_is_told(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        start = (await store.get(b""))[1]
        last = await txn(store, Put(b"a", b""))
        assert isinstance(stores, MemoryStores)
        stores.server.compact_everything()
        with pytest.raises(Compacted):
            await batches(store, b"", start, last.revision)

    run(stores, scenario)


def test_going_back_to_a_backup_is_noticed_by_whoever_saw_more(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        assert isinstance(stores, MemoryStores)
        await txn(store, Put(b"a", b"1"))
        backup = stores.server.backup()
        await txn(store, Put(b"a", b"2"))
        await store.get(b"a")
        stores.server.restore(backup)
        with pytest.raises(StoreRegressed):
            await store.get(b"a")
        assert await values(await stores.connect()) == {b"a": b"1"}

    run(stores, scenario)


def test_a_broker_that_dies_leaves_the_data_and_its_lease(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        lease = await store.grant(60)
        await txn(store, Put(b"a", b"", lease.id))
        other = await stores.connect()
        await store.close()
        found, _ = await other.get(b"a")
        assert found is not None
        assert found.lease == lease.id

    run(stores, scenario)


def test_the_data_outlives_the_loop_it_was_written_on() -> None:
    server = MemoryServer()

    async def write_and_die() -> None:
        store = MemoryStore(server)
        await store.open()
        lease = await store.grant(0.05)
        await txn(store, Put(b"l", b"", lease.id), Put(b"a", b"1"))

    async def come_back() -> None:
        store = MemoryStore(server)
        info = await store.open()
        await batches(store, b"l", info.revision, 2)
        assert await values(store) == {b"a": b"1"}

    asyncio.run(write_and_die())
    asyncio.run(come_back())


def test_a_lease_without_keys_does_not_keep_the_next_from_ending(stores: Stores) -> None:
    async def scenario(store: MetadataStore) -> None:
        await store.grant(0.05)
        lease = await store.grant(0.1)
        put = await txn(store, Put(b"a", b"", lease.id))
        await batches(store, b"a", put.revision, put.revision + 1)
        assert await values(store) == {}

    run(stores, scenario)


def test_a_link_that_is_cut_shows_by_silence_and_what_still_waits_passes_when_it_heals() -> None:
    async def scenario() -> None:
        server, link = MemoryServer(), Link()
        near, far = MemoryStore(server, link=link), MemoryStore(server)
        await near.open()
        await far.open()
        watch = near.watch(b"k", after=0)
        link.cut()
        asked = asyncio.create_task(near.get(b"k"))
        written = asyncio.create_task(near.txn([], [Put(b"k2", b"mine")], timeout=5.0))
        seen = asyncio.ensure_future(anext(watch))
        await far.txn([], [Put(b"k", b"theirs")], timeout=1.0)
        await asyncio.sleep(0.01)
        assert not any(each.done() for each in (asked, written, seen))
        link.heal()
        found, _ = await asked
        assert found is not None
        assert found.value == b"theirs"
        assert (await written).succeeded
        batch = await seen
        assert isinstance(batch, RevisionBatch)
        assert batch.events[0].value == b"theirs"

    asyncio.run(scenario())


def test_nobody_knows_what_has_become_of_a_transaction_that_was_sent_into_a_cut_link() -> None:
    async def scenario() -> None:
        applied = set()
        for seed in range(20):
            server, link = MemoryServer(faults=Faults(random.Random(seed))), Link()
            store = MemoryStore(server, link=link)
            await store.open()
            link.cut()
            with pytest.raises(OutcomeUnknown):
                await store.txn([], [Put(b"k", b"v")], timeout=0.001)
            assert server.keyspace.get(b"k") is None
            link.heal()
            await asyncio.sleep(0)
            await store.get(b"other")
            applied.add(server.keyspace.get(b"k") is not None)
        assert applied == {True, False}

    asyncio.run(scenario())


def test_where_only_answers_are_lost_a_transaction_is_applied_and_a_lease_is_not_renewed() -> None:
    async def scenario() -> None:
        server, link = MemoryServer(), Link()
        store = MemoryStore(server, link=link)
        await store.open()
        lease = await store.grant(0.05)
        link.cut(requests=False)
        with pytest.raises(OutcomeUnknown):
            await store.txn([], [Put(b"k", b"v")], timeout=0.001)
        assert server.keyspace.get(b"k") is not None
        renewed = asyncio.ensure_future(anext(store.keepalive(lease.id)))
        await asyncio.sleep(0.1)
        link.heal()
        with pytest.raises(LeaseLost):
            await renewed

    asyncio.run(scenario())
