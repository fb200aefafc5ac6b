"""What a client sends cannot stop the store for the others, nor make it hold more than it may."""

import asyncio
import contextlib
import os
import random
import socket
import stat
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.metastore.shared.framing import FrameReader, frame
from odradek.metastore.shared.link import Link
from odradek.metastore.shared.messages import (
    PROTOCOL,
    REPLY_BYTES_MAX,
    REQUEST_BYTES_MAX,
    UNREADABLE,
    WINDOW_BYTES,
    Cancel,
    Get,
    Hello,
    Refused,
    Reply,
    Request,
    RequestBody,
    Scan,
    Took,
    Watch,
    decode_reply,
    decode_request,
    encode,
)
from odradek.metastore.shared.server import CONNECTIONS_MAX
from odradek.metastore.shared.serving import ANSWERING_MAX
from odradek.metastore.shared.store import SocketStore
from odradek.metastore.store import Compacted, Delete, LimitExceeded, MetadataStore, NotApplied, Put
from tests.broker.frames import until
from tests.metastore.contract import batches, run, txn, values
from tests.metastore.shared.stores import SocketStores


@pytest.fixture
def stores() -> SocketStores:
    return SocketStores()


class RawClient:
    """Writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._frames = FrameReader(2 * REPLY_BYTES_MAX)

    @classmethod
    async def connect(cls, stores: SocketStores) -> "RawClient":
        return cls(*await asyncio.open_unix_connection(stores.served.path))

    def send(self, request_id: int, body: RequestBody) -> None:
        self.writer.write(frame(encode(Request(request_id, body))))

    async def reply(self) -> Reply:
        while not (arrived := self._frames.feed(await self.reader.read(65_536))):
            pass
        return decode_reply(arrived[0])

    async def is_closed_by_store(self) -> bool:
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionError:
            pass
        return True

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())])


def beside(stores: SocketStores, scenario: Callable[[RawClient], Coroutine[Any, Any, None]]) -> None:
    """Play a hostile client's part; afterwards a good one, connected all the time, is served as before."""

    async def play(store: MetadataStore) -> None:
        await txn(store, Put(b"a", b"1"))
        client = await RawClient.connect(stores)
        try:
            await scenario(client)
        finally:
            await client.close()
        assert await values(store) == {b"a": b"1"}
        assert await values(await stores.connect()) == {b"a": b"1"}

    run(stores, play)


NESTED = b"\x91" * 100_000
MALFORMED = [
    b"\xff\xff\xff\xff",
    (REQUEST_BYTES_MAX + 1).to_bytes(4) + b"x" * 1000,
    frame(b""),
    frame(b"not a request"),
    frame(b"\xc1"),
    frame(NESTED),
    frame(msgspec.msgpack.encode([1, ["Nothing", 2]])),
    frame(msgspec.msgpack.encode([1, ["Get"]])),
    frame(msgspec.msgpack.encode([1, ["Get", "\ud7ff"]])),
    frame(msgspec.msgpack.encode(["one", ["Get", b"a"]])),
    frame(msgspec.msgpack.encode({"id": 1})),
    b"GET / HTTP/1.1\r\n\r\n",
]


@pytest.mark.parametrize("content", MALFORMED, ids=range(len(MALFORMED)))
def test_whoever_sends_what_is_no_request_is_disconnected(stores: SocketStores, content: bytes) -> None:
    async def scenario(client: RawClient) -> None:
        client.writer.write(content)
        assert await client.is_closed_by_store()

    beside(stores, scenario)


def test_random_bytes_end_a_connection_at_the_most(stores: SocketStores) -> None:
    async def scenario(_: RawClient) -> None:
        source = random.Random(3)
        for _round in range(100):
            hostile = await RawClient.connect(stores)
            hostile.writer.write(source.randbytes(source.randrange(200)))
            hostile.writer.write(frame(source.randbytes(source.randrange(200))))
            await hostile.close()

    beside(stores, scenario)


@given(st.binary(max_size=200))
def test_no_bytes_decode_with_an_error_that_is_not_expected(content: bytes) -> None:
    with contextlib.suppress(*UNREADABLE):
        decode_request(content)


def test_a_request_that_is_never_finished_holds_up_nobody(stores: SocketStores) -> None:
    async def scenario(client: RawClient) -> None:
        client.writer.write(REQUEST_BYTES_MAX.to_bytes(4) + b"x" * 100_000)
        await client.writer.drain()

    beside(stores, scenario)


def test_more_requests_at_a_time_than_a_client_may_have_end_the_connection(stores: SocketStores) -> None:
    async def scenario(client: RawClient) -> None:
        for number in range(ANSWERING_MAX + 1):
            client.send(number, Watch(b"", 1))
        assert await client.is_closed_by_store()

    beside(stores, scenario)


def test_an_id_that_is_in_use_ends_the_connection(stores: SocketStores) -> None:
    async def scenario(client: RawClient) -> None:
        client.send(1, Watch(b"", 1))
        client.send(1, Get(b"a"))
        assert await client.is_closed_by_store()

    beside(stores, scenario)


def test_what_is_said_of_streams_that_are_not_there_is_passed_over(stores: SocketStores) -> None:
    async def scenario(client: RawClient) -> None:
        client.send(7, Took(5))
        client.send(7, Cancel())
        client.send(8, Watch(b"", 1))
        client.send(8, Took(-(1 << 60)))
        client.send(8, Took(1 << 60))
        client.send(9, Get(b"a"))
        assert (await client.reply()).id == 9

    beside(stores, scenario)


def test_another_version_of_the_protocol_is_told(stores: SocketStores) -> None:
    async def scenario(client: RawClient) -> None:
        client.send(1, Hello(PROTOCOL + 1))
        reply = (await client.reply()).body
        assert isinstance(reply, Refused)
        assert f"speaks version {PROTOCOL}" in reply.text

    beside(stores, scenario)


def test_a_client_that_takes_no_replies_is_not_read_from(stores: SocketStores) -> None:
    async def play(store: MetadataStore) -> None:
        await txn(store, Put(b"large", b"x" * 1_000_000))
        client = await RawClient.connect(stores)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        server = stores.served._server
        assert server is not None
        await until(lambda: len(server._connections) == 2)
        connection = list(server._connections)[-1]
        for number in range(2 * ANSWERING_MAX):
            client.send(number, Get(b"large"))
            await asyncio.sleep(0)
        await until(lambda: not connection._writable.is_set() and not connection._answering)
        assert connection._transport.get_write_buffer_size() < 20_000_000
        assert (await store.get(b"large"))[0] is not None
        await client.close()

    run(stores, play)


def test_connections_past_the_bound_are_closed_at_once(stores: SocketStores) -> None:
    async def scenario(_: RawClient) -> None:
        server = stores.served._server
        assert server is not None
        clients = [await RawClient.connect(stores) for _ in range(CONNECTIONS_MAX)]
        await until(lambda: len(server._connections) == CONNECTIONS_MAX)
        assert await clients[-1].is_closed_by_store()
        for client in clients:
            await client.close()
        await until(lambda: len(server._connections) < CONNECTIONS_MAX)

    beside(stores, scenario)


def test_only_its_user_can_reach_the_socket(stores: SocketStores) -> None:
    async def play(_: MetadataStore) -> None:
        assert stat.S_IMODE(os.stat(stores.served.path).st_mode) == 0o600

    run(stores, play)


def test_the_socket_of_a_process_that_died_is_replaced(stores: SocketStores) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(stores.served.path)

    async def play(store: MetadataStore) -> None:
        await txn(store, Put(b"a", b"1"))

    run(stores, play)


def test_a_watch_goes_ahead_of_its_reader_by_a_bounded_number_of_bytes(stores: SocketStores) -> None:
    async def play(store: MetadataStore) -> None:
        start = (await store.get(b""))[1]
        link = await store._connector.link()  # type: ignore[attr-defined]
        assert isinstance(link, Link)
        stream = link.open_stream(Watch(b"p/", start))
        for number in range(50):
            await txn(store, Put(b"p/a", b"%09d" % number * 11_000))
        await until(lambda: sum(size for _, size in stream._parts) >= WINDOW_BYTES)
        await store.get(b"a")
        assert sum(size for _, size in stream._parts) < WINDOW_BYTES + 110_000
        arrived = [await stream.next() for _ in range(50)]
        assert [part.revision for part in arrived] == list(range(start + 1, start + 51))  # type: ignore[union-attr]
        stream.close()

    run(stores, play)


def test_a_scan_of_large_values_comes_in_parts(stores: SocketStores) -> None:
    async def play(store: MetadataStore) -> None:
        for number in range(12):
            await txn(store, Put(b"p/%02d" % number, b"x" * 1_000_000))
        pages = [page async for page in store.scan(b"p/")]
        assert len({page.revision for page in pages}) == 1
        assert [item.key for page in pages for item in page.items] == [b"p/%02d" % number for number in range(12)]
        assert max(len(page.items) for page in pages) == 1

    run(stores, play)


def test_a_revision_too_large_to_send_is_told_as_compacted(stores: SocketStores) -> None:
    async def play(store: MetadataStore) -> None:
        for number in range(9):
            await txn(store, Put(b"p/%d" % number + b"x" * 1_000_000, b""))
        start = (await store.get(b""))[1]
        gone = await txn(store, Delete(b"p/", prefix=True))
        after = await txn(store, Put(b"p/after", b""))
        with pytest.raises(Compacted) as refused:
            await batches(store, b"p/", start, after.revision)
        assert refused.value.revision == gone.revision
        assert len(await batches(store, b"p/", gone.revision, after.revision)) == 1

    run(stores, play)


def test_a_request_too_large_to_send_is_refused_and_the_connection_stays(stores: SocketStores) -> None:
    async def play(store: MetadataStore) -> None:
        with pytest.raises(LimitExceeded):
            await store.get(b"x" * (REQUEST_BYTES_MAX + 1))
        assert (await store.get(b"x"))[0] is None

    run(stores, play)


def test_a_scan_that_nobody_reads_on_ends_in_the_store(stores: SocketStores) -> None:
    async def play(store: MetadataStore) -> None:
        for number in range(12):
            await txn(store, Put(b"p/%02d" % number, b"x" * 1_000_000))
        link = await store._connector.link()  # type: ignore[attr-defined]
        server = stores.served._server
        assert server is not None
        (connection,) = server._connections
        stream = link.open_stream(Scan(b"p/", 0))
        await stream.next()
        assert connection._answering
        stream.close()
        await until(lambda: not connection._answering)

    run(stores, play)


def test_too_many_requests_of_one_client_wait_and_then_are_refused(
    stores: SocketStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odradek.metastore.shared.store.WAITING_MAX", 5)

    async def play(store: MetadataStore) -> None:
        assert isinstance(store, SocketStore)
        while store._slots._value:
            await store._slots.acquire()
        asked = [asyncio.ensure_future(store.get(b"a")) for _ in range(6)]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert isinstance(done.pop().exception(), NotApplied)
        for _ in range(6):
            store._slots.release()
        await asyncio.gather(*waiting)

    run(stores, play)
