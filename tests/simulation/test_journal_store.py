"""The metadata store of simulated brokers keeps the contract, over crashes too; when its disk fails it says so."""

import asyncio
from random import Random

import pytest

from odradek.cluster.results import ClusterStartError
from odradek.metastore.store import OutcomeUnknown, Put, StoreError, StoreFailed, StoreFull
from odradek.simulation import Disk
from tests.cluster.clusters import new_cluster, play
from tests.metastore.contract import StoreContract, Stores, everything, txn, values
from tests.simulation.journal_store import JournalStore

PATH = "/metadata/journal"


class JournalStores:
    """One process, one store: everybody shares it."""

    def __init__(self) -> None:
        self.disk = Disk(Random(1))
        self.disk.make_directories("/metadata")
        self._store: JournalStore | None = None

    async def connect(self) -> JournalStore:
        if self._store is None:
            self._store = JournalStore(self.disk.mount(), PATH)
            await self._store.open()
        return self._store

    async def restart(self) -> JournalStore:
        await self.close()
        return await self.connect()

    async def lose_power(self) -> JournalStore:
        self.disk.crash("power")
        self._store = None
        return await self.connect()

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()
            self._store = None


@pytest.fixture
def stores() -> Stores:
    return JournalStores()


class TestJournalStore(StoreContract):
    pass


def test_a_power_loss_takes_nothing_that_was_committed() -> None:
    async def scenario() -> None:
        stores = JournalStores()
        for number in range(20):
            store = await stores.connect()
            await txn(store, Put(b"%d" % number, b"value"))
            assert len(await values(await stores.lose_power())) == number + 1

    play(scenario)


def test_a_full_disk_refuses_a_change_and_takes_it_when_there_is_room() -> None:
    async def scenario() -> None:
        stores = JournalStores()
        store = await stores.connect()
        stores.disk.capacity_bytes = stores.disk.used_bytes
        with pytest.raises(StoreFull):
            await txn(store, Put(b"key", bytes(10_000)))
        stores.disk.capacity_bytes = None
        await txn(store, Put(b"key", b"small"))
        assert await values(await stores.lose_power()) == {b"key": b"small"}

    play(scenario)


def test_a_store_whose_disk_failed_answers_nothing_more() -> None:
    async def scenario() -> None:
        stores = JournalStores()
        store = await stores.connect()
        stores.disk.fail("datasync", PATH)
        with pytest.raises(OutcomeUnknown):
            await txn(store, Put(b"key", b"value"))
        with pytest.raises(StoreFailed):
            await store.get(b"key")
        with pytest.raises(StoreFailed):
            await txn(store, Put(b"key", b"value"))
        with pytest.raises(StoreFailed):
            await everything(store)

    play(scenario)


def test_a_broker_whose_metadata_store_failed_is_told_to_stop() -> None:
    async def scenario() -> None:
        stores = JournalStores()
        cluster = new_cluster(JournalStore(stores.disk.mount(), PATH))
        await cluster.start()
        stores.disk.fail("datasync", PATH)
        with pytest.raises(Exception, match="the metadata store failed"):
            await cluster.allocate_producer_id()
        assert isinstance(await asyncio.wait_for(cluster.failed, 5), StoreFailed)
        await cluster.stop()

    play(scenario)


def test_a_broker_whose_metadata_store_fails_at_the_start_does_not_start() -> None:
    async def scenario() -> None:
        disk = JournalStores().disk
        disk.fail("datasync", PATH, skip=2)
        cluster = new_cluster(JournalStore(disk.mount(), PATH))
        with pytest.raises((ClusterStartError, StoreError), match="the metadata store failed"):
            await cluster.start()
        await cluster.stop()

    play(scenario)
