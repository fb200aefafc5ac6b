"""The etcd store keeps the contract on a real etcd, directly and through a proxy that delays and dribbles."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.config.metadata import EtcdAccess
from odradek.metastore.etcd.store import EtcdStore
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.metastore.store import Compare, Delete, MetadataStore, Operation, Put, Revision, Target
from tests.metastore.contract import StoreContract, Stores, batches, everything
from tests.support.etcd_servers import QUICK, EtcdCluster, etcd_cluster
from tests.support.faulty_proxy import Dribble, FaultyProxy


class EtcdStores:
    """Each connection is a client of its own. A restart kills the server."""

    def __init__(self, cluster: EtcdCluster) -> None:
        self._cluster = cluster
        self._open: list[EtcdStore] = []

    async def connect(self) -> EtcdStore:
        store = EtcdStore(await self._access(), timing=QUICK)
        await store.open()
        self._open.append(store)
        return store

    async def _access(self) -> EtcdAccess:
        return self._cluster.access

    async def restart(self) -> EtcdStore:
        await self._close_stores()
        self._cluster.members[0].restart()
        return await self.connect()

    async def _close_stores(self) -> None:
        while self._open:
            await self._open.pop().close()

    async def close(self) -> None:
        await self._close_stores()


class ProxiedStores(EtcdStores):
    """The same through one proxy."""

    def __init__(self, cluster: EtcdCluster) -> None:
        super().__init__(cluster)
        dribble = Dribble(random.Random(1), piece_bytes=1400, delay_s_max=0.002)
        self._proxy = FaultyProxy(("127.0.0.1", cluster.members[0].client_port), dribble)
        self._address: str | None = None

    async def _access(self) -> EtcdAccess:
        self._address = self._address or await self._proxy.start()
        return EtcdAccess((self._address,))

    async def close(self) -> None:
        await super().close()
        await self._proxy.stop()


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: EtcdCluster) -> EtcdCluster:
    shared_cluster.wipe()
    return shared_cluster


class TestEtcdStore(StoreContract):
    @pytest.fixture
    def stores(self, cluster: EtcdCluster) -> Stores:
        return EtcdStores(cluster)


class TestEtcdStoreThroughAFaultyProxy(StoreContract):
    @pytest.fixture
    def stores(self, cluster: EtcdCluster) -> Stores:
        return ProxiedStores(cluster)


keys = st.sampled_from([b"a", b"a/", b"a/b", b"a/c", b"b", b"\xff", b"\xff\xff"])
operations = st.one_of(
    st.builds(Put, keys, st.binary(max_size=3)), st.builds(Delete, keys), st.builds(Delete, keys, st.just(True))
)
numbers = st.sampled_from([Target.CREATE, Target.MOD, Target.VERSION])
relations = st.sampled_from(["equal", "less", "greater"])
compares = st.one_of(
    st.builds(Compare, keys, numbers, st.integers(0, 6), relations),
    st.builds(Compare, keys, st.just(Target.VALUE), st.binary(max_size=1), relations),
)
transactions = st.tuples(
    st.lists(compares, max_size=2), st.lists(operations, max_size=3), st.lists(operations, max_size=2)
)
Transaction = tuple[list[Compare], list[Operation], list[Operation]]


def moved(compare: Compare, start: Revision) -> Compare:
    """Revisions of a script count from its start; 0 is an absent key's."""
    if compare.target in (Target.CREATE, Target.MOD) and compare.operand:
        assert isinstance(compare.operand, int)
        return Compare(compare.key, compare.target, compare.operand + start, compare.relation)
    return compare


async def outcome(store: MetadataStore, transaction: Transaction, start: Revision) -> str:
    when, then, otherwise = transaction
    try:
        return repr(await store.txn([moved(each, start) for each in when], then, otherwise, timeout=20))
    except ValueError as error:
        return repr(error)


@settings(max_examples=40, deadline=None)
@given(script=st.lists(transactions, max_size=12))
def test_it_does_what_the_memory_store_does(shared_cluster: EtcdCluster, script: list[Transaction]) -> None:
    async def play() -> None:
        shared_cluster.wipe()
        store = EtcdStore(shared_cluster.access, timing=QUICK)
        start = (await store.open()).revision
        server = MemoryServer()
        server.restore(([], start))
        model = MemoryStore(server)
        await model.open()
        for transaction in script:
            assert await outcome(store, transaction, start) == await outcome(model, transaction, start)
        assert await everything(store) == await everything(model)
        end = (await model.get(b""))[1]
        for prefix in (b"", b"a"):
            assert await batches(store, prefix, start, end) == await batches(model, prefix, start, end)
        await store.close()

    asyncio.run(play())
