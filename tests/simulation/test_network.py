"""Connections between simulated machines keep TCP's promises, and no others."""

import asyncio
import random
import socket
from typing import Any

import pytest

from odradek.simulation import NetworkOptions, Process, World

PORT = 9092


class Recorder(asyncio.Protocol):
    """Notes what its transport tells it."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.received = bytearray()
        self.lost_with: list[BaseException | None] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool | None:
        self.events.append("eof")
        return None

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.events.append("lost")
        self.lost_with.append(exc)

    async def lost(self) -> BaseException | None:
        """Wait for the end of the connection, from whatever process."""
        await until(lambda: self.lost_with)
        return self.lost_with[0]


class BufferedRecorder(asyncio.BufferedProtocol):
    """Receives into a small buffer it owns."""

    def __init__(self) -> None:
        self.buffer = bytearray(1000)
        self.received = bytearray()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]


class Pair:
    """A listening machine "server" and a client connected to it, in one world."""

    def __init__(self, seed: int, kind: Any = Recorder) -> None:
        self.world = World(seed)
        self.kind = kind
        self.accepted: list[Any] = []
        self.world.machine("server").start(self._serve)

    async def _serve(self, process: Process) -> None:
        server = await process.loop.create_server(self._accept, "server", PORT)
        await server.serve_forever()

    def _accept(self) -> Any:
        self.accepted.append(self.kind())
        return self.accepted[-1]

    async def connect(self, process: Process) -> Recorder:
        await asyncio.sleep(0.01)
        _, protocol = await process.loop.create_connection(Recorder, "server", PORT)
        await until(lambda: bool(self.accepted))
        assert isinstance(protocol, Recorder)
        return protocol


async def until(condition: Any, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("kind", [Recorder, BufferedRecorder])
@pytest.mark.parametrize("seed", range(5))
def test_bytes_arrive_whole_and_in_order_however_they_are_cut(kind: Any, seed: int) -> None:
    pair = Pair(seed, kind)
    sent = random.Random(seed).randbytes(700_000)

    async def scenario(process: Process) -> None:
        client = await pair.connect(process)
        position = 0
        while position < len(sent):
            size = process.host.random.randint(1, 50_000)
            client.transport.write(sent[position : position + size])
            position += size
        await until(lambda: len(pair.accepted[0].received) == len(sent))

    with pair.world as world:
        world.run(scenario)
    assert pair.accepted[0].received == sent


def test_a_slow_reader_makes_the_writer_pause_and_reading_on_resumes_it() -> None:
    pair = Pair(3)

    async def scenario(process: Process) -> Recorder:
        client = await pair.connect(process)
        server = pair.accepted[0]
        server.transport.pause_reading()
        client.transport.write(bytes(1_000_000))
        assert client.events == ["made", "pause"]
        await asyncio.sleep(5)
        assert client.transport.get_write_buffer_size() == 1_000_000 - NetworkOptions().window_bytes
        server.transport.resume_reading()
        await until(lambda: len(server.received) == 1_000_000)
        assert client.transport.get_write_buffer_size() == 0
        return client

    with pair.world as world:
        assert world.run(scenario).events == ["made", "pause", "resume"]


def test_a_written_buffer_belongs_to_the_transport_until_it_is_sent() -> None:
    pair = Pair(4)

    async def scenario(process: Process) -> bytes:
        client = await pair.connect(process)
        buffer = bytearray(b"first")
        client.transport.write(buffer)
        buffer[:] = b"later"
        await until(lambda: len(pair.accepted[0].received) == 5)
        assert buffer == b"\xdb" * 5
        return bytes(pair.accepted[0].received)

    with pair.world as world:
        assert world.run(scenario) == b"later"


def test_the_end_of_one_direction_leaves_the_other_open() -> None:
    class Answering(Recorder):
        def eof_received(self) -> bool:
            self.transport.write(b"answer to " + bytes(self.received))
            self.transport.write_eof()
            return True

    pair = Pair(5, Answering)

    async def scenario(process: Process) -> bytes:
        client = await pair.connect(process)
        client.transport.write(b"question")
        client.transport.write_eof()
        with pytest.raises(RuntimeError):
            client.transport.write(b"more")
        assert await client.lost() is None
        return bytes(client.received)

    with pair.world as world:
        assert world.run(scenario) == b"answer to question"


def test_close_sends_what_was_written_first() -> None:
    pair = Pair(6)

    async def scenario(process: Process) -> Recorder:
        client = await pair.connect(process)
        client.transport.write(bytes(300_000))
        client.transport.close()
        assert client.transport.is_closing()
        server: Recorder = pair.accepted[0]
        assert await server.lost() is None
        return server

    with pair.world as world:
        server = world.run(scenario)
    assert len(server.received) == 300_000
    assert server.events == ["made", "eof", "lost"]


def test_abort_drops_what_was_not_sent() -> None:
    pair = Pair(7)

    async def scenario(process: Process) -> int:
        client = await pair.connect(process)
        client.transport.write(b"never")
        client.transport.abort()
        await client.lost()
        await pair.accepted[0].lost()
        return len(pair.accepted[0].received)

    with pair.world as world:
        assert world.run(scenario) == 0


def test_nobody_listening_refuses_and_an_unknown_name_is_unknown() -> None:
    async def scenario(process: Process) -> None:
        with pytest.raises(ConnectionRefusedError):
            await process.loop.create_connection(Recorder, "localhost", PORT)
        with pytest.raises(socket.gaierror):
            await process.loop.create_connection(Recorder, "nowhere", PORT)

    with World(1) as world:
        world.run(scenario)


def test_a_port_in_use_cannot_be_bound_twice_and_port_zero_finds_a_free_one() -> None:
    async def scenario(process: Process) -> None:
        first = await process.loop.create_server(Recorder, port=PORT)
        with pytest.raises(OSError, match="address"):
            await process.loop.create_server(Recorder, port=PORT)
        ports = {(await process.loop.create_server(Recorder, port=0)).sockets[0].getsockname()[1] for _ in range(3)}
        assert len(ports) == 3
        first.close()
        await first.wait_closed()
        await process.loop.create_server(Recorder, port=PORT)

    with World(1) as world:
        world.run(scenario)


def test_a_server_on_the_loopback_address_is_not_reached_from_elsewhere() -> None:
    async def serve(process: Process) -> None:
        await (await process.loop.create_server(Recorder, "127.0.0.1", PORT)).serve_forever()

    async def scenario(process: Process) -> None:
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await process.loop.create_connection(Recorder, "server", PORT)

    with World(1) as world:
        world.machine("server").start(serve)
        world.run(scenario)


def test_a_partition_holds_bytes_until_it_is_healed() -> None:
    pair = Pair(8)

    async def scenario(process: Process) -> None:
        client = await pair.connect(process)
        process.world.network.partition("client", "server")
        client.transport.write(b"held")
        await asyncio.sleep(30)
        assert pair.accepted[0].received == b""
        process.world.network.heal()
        client.transport.write(b" back")
        await until(lambda: pair.accepted[0].received == b"held back")

    with pair.world as world:
        world.run(scenario)


def test_connecting_through_a_partition_times_out() -> None:
    pair = Pair(9)

    async def scenario(process: Process) -> None:
        process.world.network.partition("client", "server")
        with pytest.raises(TimeoutError):
            await process.loop.create_connection(Recorder, "server", PORT)

    with pair.world as world:
        world.run(scenario)


def test_peers_of_a_killed_process_see_the_connection_end() -> None:
    pair = Pair(10)

    async def scenario(process: Process) -> None:
        client = await pair.connect(process)
        process.world.machine("server").crash("process")
        await client.lost()

    with pair.world as world:
        world.run(scenario)


def test_peers_of_a_machine_without_power_hear_nothing_until_it_is_back() -> None:
    pair = Pair(11)

    async def scenario(process: Process) -> BaseException | None:
        client = await pair.connect(process)
        server = process.world.machine("server")
        server.crash("power")
        client.transport.write(b"anybody?")
        await asyncio.sleep(60)
        assert not client.lost_with
        server.start()
        return await client.lost()

    with pair.world as world:
        assert isinstance(world.run(scenario), ConnectionResetError)


def test_resetting_the_connections_between_two_machines_ends_both_sides() -> None:
    pair = Pair(12)

    async def scenario(process: Process) -> list[type]:
        client = await pair.connect(process)
        assert process.world.network.reset_connections("client", "server") == 1
        return [type(await client.lost()), type(await pair.accepted[0].lost())]

    with pair.world as world:
        assert world.run(scenario) == [ConnectionResetError, ConnectionResetError]


def test_an_exception_in_a_protocol_closes_its_connection_and_is_reported() -> None:
    class Broken(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ValueError("cannot read this")

    pair = Pair(13, Broken)

    async def scenario(process: Process) -> None:
        client = await pair.connect(process)
        client.transport.write(b"x")
        await client.lost()

    with pair.world as world:
        world.run(scenario)
        process = world.machine("server").process
        assert process is not None
        assert isinstance(process.loop.errors[0]["exception"], ValueError)


def test_streams_work_on_it() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    async def scenario(process: Process) -> bytes:
        await asyncio.start_server(answer, "client", PORT)
        reader, writer = await asyncio.open_connection("client", PORT)
        writer.write(b"hello\n")
        line = await reader.read()
        writer.close()
        await writer.wait_closed()
        return line

    with World(14) as world:
        assert world.run(scenario) == b"HELLO\n"
