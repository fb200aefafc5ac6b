"""What a client is told when the store goes away: never that something happened that did not, nor the reverse."""

import asyncio
import os
import random
import shutil

import pytest

from odradek.cluster.records import CounterRecord, decode
from odradek.cluster.writer import Writer, absent, unchanged
from odradek.metastore.shared.messages import Reply, decode_reply, encode
from odradek.metastore.shared.store import SocketStore
from odradek.metastore.shared.translation import error_of, refused_by
from odradek.metastore.store import (
    Compacted,
    LeaseLost,
    LimitExceeded,
    MetadataStore,
    NotApplied,
    OutcomeUnknown,
    Put,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreRegressed,
)
from tests.broker.frames import until
from tests.metastore.contract import run, txn
from tests.metastore.shared.cutting import CuttingProxy
from tests.metastore.shared.stores import SocketStores

SEED = int(os.environ.get("ODRADEK_TEST_SEED", "1"))


@pytest.mark.parametrize(
    "error",
    [
        NotApplied("a"), StoreFull("b"), StoreFailed("c"), OutcomeUnknown("d"), Compacted(7), LeaseLost("e"),
        StoreRegressed("f"), LimitExceeded("g"), StoreError("h"), ValueError("i"), TypeError("j"),
    ],
)  # fmt: skip
def test_an_error_arrives_as_it_was(error: Exception) -> None:
    reply = decode_reply(encode(Reply(1, refused_by(error))))
    arrived = error_of(reply.body)  # type: ignore[arg-type]
    assert (type(arrived), str(arrived)) == (type(error), str(error))
    assert getattr(arrived, "revision", None) == getattr(error, "revision", None)


def test_what_no_store_raises_leaves_the_outcome_unknown() -> None:
    assert isinstance(error_of(refused_by(KeyError("x"))), OutcomeUnknown)


def test_without_anybody_at_the_path_a_request_is_certainly_not_applied() -> None:
    stores = SocketStores()

    async def scenario(store: MetadataStore) -> None:
        await stores.served.stop()
        with pytest.raises(NotApplied):
            await store.txn((), (Put(b"a", b""),), timeout=0.1)

    run(stores, scenario)


def test_a_transaction_whose_connection_ends_before_the_reply_may_have_happened() -> None:
    stores = SocketStores()

    async def scenario(store: MetadataStore) -> None:
        thread = stores.served.store._thread
        assert thread is not None
        going_on = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread.submit(lambda: asyncio.run_coroutine_threadsafe(going_on.wait(), loop).result())
        asked = asyncio.create_task(txn(store, Put(b"a", b"1")))
        engine = stores.served.store._engine
        assert engine is not None
        await until(lambda: engine._committing)
        server = stores.served._server
        assert server is not None
        await server.stop()
        with pytest.raises(OutcomeUnknown):
            await asked
        going_on.set()
        await stores.restart_server()
        assert (await store.get(b"a"))[0] is not None

    run(stores, scenario)


def test_a_client_learns_that_the_store_went_back() -> None:
    stores = SocketStores()

    async def scenario(store: MetadataStore) -> None:
        await txn(store, Put(b"a", b"1"))
        copy = str(stores.served.directory / "copy.sqlite")
        await stores.served.store.backup(copy)
        await txn(store, Put(b"a", b"2"))
        await stores.served.stop()
        for leftover in stores.served.directory.glob("metadata.sqlite*"):
            leftover.unlink()
        shutil.copy(copy, stores.served.store.path)
        await stores.served.start()
        with pytest.raises(StoreRegressed):
            await store.get(b"a")
        with pytest.raises(StoreRegressed):
            await txn(store, Put(b"a", b"3"))

    run(stores, scenario)


def test_a_client_learns_that_another_store_is_served() -> None:
    stores = SocketStores()

    async def scenario(store: MetadataStore) -> None:
        await stores.served.stop()
        for leftover in stores.served.directory.glob("metadata.sqlite*"):
            leftover.unlink()
        await stores.served.start()
        with pytest.raises(StoreRegressed, match="another store"):
            await store.get(b"a")

    run(stores, scenario)


def test_a_store_that_nobody_serves_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odradek.metastore.shared.store.OPEN_TIMEOUT_S", 0.1)
    with pytest.raises(NotApplied, match="cannot be reached: No such file"):
        asyncio.run(SocketStore("/nonexistent/metadata.sock").open())


ADDERS, ADDITIONS = 4, 25


async def add(writer: Writer, name: str, times: int) -> None:
    """Count up by compare-and-swap, each time until it is known to have happened."""
    for number in range(times):
        own = f"{name}/{number}".encode()
        while (await writer.get(own))[0] is None:
            found, _ = await writer.get(b"count")
            value, seen = (0, 0) if found is None else (decode(CounterRecord, found.value).value, found.mod_revision)
            put = Put(own, writer.new_op_id().encode()), Put(b"count", CounterRecord(value + 1).encode())
            await writer.commit([absent(own), unchanged(b"count", seen)], put)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_over_cuts_and_restarts_is_counted_once(seed: int) -> None:
    stores = SocketStores()
    proxy = CuttingProxy(str(stores.served.directory / "proxy.sock"), stores.served.path, SEED * 1000 + seed)

    async def scenario(store: MetadataStore) -> None:
        await proxy.start()
        clients = [SocketStore(proxy.path) for _ in range(ADDERS)]
        for client in clients:
            await client.open()
        writers = [Writer(client, random.Random(seed * 100 + index)) for index, client in enumerate(clients)]
        adding = asyncio.gather(*(add(writer, f"{number}", ADDITIONS) for number, writer in enumerate(writers)))
        for _ in range(3):
            engine = stores.served.store._engine
            assert engine is not None
            more = engine.revision + 10
            await until(lambda engine=engine, more=more: adding.done() or engine.revision >= more)
            await stores.restart_server()
        await adding
        found, _ = await store.get(b"count")
        assert found is not None
        assert decode(CounterRecord, found.value).value == ADDERS * ADDITIONS
        assert proxy.cuts > 10
        for client in clients:
            await client.close()
        await proxy.stop()

    run(stores, scenario)
