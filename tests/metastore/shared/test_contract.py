"""The store of another process keeps the contract: by itself, while its connections are cut, and over a restart."""

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest

from odradek.metastore.shared.store import SocketStore
from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.store import MetadataStore, Put, TxnResult
from tests.metastore.contract import StoreContract, Stores, batches, run, txn, values
from tests.metastore.shared.cutting import CuttingProxy
from tests.metastore.shared.settling import RememberingStore, SettlingClient
from tests.metastore.shared.stores import SocketStores

SEED = int(os.environ.get("ODRADEK_TEST_SEED", "1"))


class TestSocketStore(StoreContract):
    @pytest.fixture
    def stores(self) -> Stores:
        return SocketStores()


class SurvivingStores(SocketStores):
    """The clients of before a restart go on."""

    async def restart(self) -> SocketStore:
        await self.restart_server()
        return self.clients[0]


class TestClientThatLivesThroughRestarts(StoreContract):
    @pytest.fixture
    def stores(self) -> Stores:
        return SurvivingStores()


class CutStores(SurvivingStores):
    """Every connection goes through a proxy that cuts it soon."""

    def __init__(self, seed: int) -> None:
        self._outcomes: dict[bytes, asyncio.Task[TxnResult]] = {}
        super().__init__()
        self.proxy = CuttingProxy(str(self.served.directory / "proxy.sock"), self.served.path, seed)
        self._has_proxy = False

    def make_store(self, path: str) -> SqliteStore:
        return RememberingStore(path, self._outcomes)

    def make_client(self) -> SocketStore:
        return SettlingClient(self.proxy.path)

    async def start(self) -> None:
        await super().start()
        if not self._has_proxy:
            self._has_proxy = True
            await self.proxy.start()

    async def close(self) -> None:
        await self.proxy.stop()
        await super().close()


class TestStoreWhoseConnectionsAreCut(StoreContract):
    @pytest.fixture(params=range(3))
    def stores(self, request: pytest.FixtureRequest) -> Stores:
        return CutStores(SEED * 1000 + request.param)


def test_a_watch_goes_on_over_cuts_and_misses_and_repeats_nothing() -> None:
    stores = CutStores(SEED)

    async def scenario(store: MetadataStore) -> None:
        start = (await store.get(b""))[1]
        watching = asyncio.create_task(batches(store, b"p/", start, start + 300))
        for number in range(300):
            await txn(store, Put(b"p/%d" % (number % 7), b"%d" % number))
        assert [batch.revision for batch in await watching] == list(range(start + 1, start + 301))
        assert stores.proxy.cuts > 3

    run(stores, scenario)


def test_a_scan_goes_on_over_cuts_with_the_revision_it_began_at() -> None:
    stores = CutStores(SEED)

    async def scenario(store: MetadataStore) -> None:
        for start in range(0, 3_000, 100):
            await txn(store, *(Put(b"p/%05d" % index, b"x" * 1_000) for index in range(start, start + 100)))
        cuts = stores.proxy.cuts
        for _ in range(20):
            assert len(await values(store, b"p/")) == 3_000
        assert stores.proxy.cuts > cuts

    run(stores, scenario)


def test_a_lease_is_kept_through_a_restart_of_the_store() -> None:
    stores = SurvivingStores()

    async def scenario(store: MetadataStore) -> None:
        lease = await store.grant(0.5)
        await txn(store, Put(b"live", b"", lease.id))
        async with aclosing(store.keepalive(lease.id)) as acks:  # type: ignore[type-var]
            for _ in range(3):
                assert (await anext(acks)).ttl == 0.5
                await stores.restart_server()
            assert (await anext(acks)).ttl == 0.5
        assert list(await values(store)) == [b"live"]

    run(stores, scenario)


def test_a_request_waits_for_a_store_that_is_being_restarted() -> None:
    stores = SurvivingStores()

    async def scenario(store: MetadataStore) -> None:
        put = await txn(store, Put(b"a", b"1"))
        await stores.served.stop()
        reading, writing = asyncio.create_task(store.get(b"a")), asyncio.create_task(txn(store, Put(b"b", b"2")))
        await asyncio.sleep(0)
        await stores.served.start()
        assert (await reading)[0] is not None
        assert (await writing).revision == put.revision + 1

    run(stores, scenario)


def test_a_data_directory_may_have_a_path_longer_than_the_address_of_a_socket(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    directory.mkdir(parents=True)

    async def scenario() -> None:
        stores = SocketStores()
        stores.served.directory, stores.served.path = directory, str(directory / "metadata.sock")
        store = await stores.connect()
        await txn(store, Put(b"a", b"1"))
        assert (directory / "metadata.sock").is_socket()
        await stores.close()

    asyncio.run(scenario())
