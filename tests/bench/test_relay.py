"""The limit of replication moves what it is meant to move, and answers no sooner than all have it."""

import socket
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest
from bench.cluster import BROKERS, Relay
from bench.limit import Limit, Peer
from bench.relay import Copies

from odradek.benchmark import drivers
from odradek.benchmark.rows import batch, load

RESPONSE = b"\x00\x00\x00\x04done"
pytestmark = pytest.mark.real_broker


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Limit]:
    with Relay(tmp_path) as started:
        yield started


def test_each_of_the_three_has_every_byte(relay: Limit) -> None:
    with relay.target.topic() as topic, load(relay.target, topic, batch(10, 1000)) as (connection, request, size):
        drivers.send_some(connection, repeat(request), size, in_flight=5, count=20)
        files = [path.read_bytes() for path in relay.directory.iterdir() if path.name != "output.log"]
    assert files == [request * 21] * BROKERS


def test_a_new_topic_empties_all_files(relay: Limit) -> None:
    with relay.target.topic() as topic, load(relay.target, topic, batch(1, 100)):
        pass
    assert {path.stat().st_size for path in relay.directory.iterdir()} == {0}


def test_a_request_is_answered_when_the_slowest_copy_has_answered() -> None:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [listener.getsockname()[1] for listener in listeners]
    client = Peer(socket.create_connection(("127.0.0.1", ports[0])))
    accepted = listeners[0].accept()[0]
    client.response = RESPONSE
    copies = Copies(client, ports)
    quick, slow = (listener.accept()[0] for listener in listeners)
    at_quick, at_slow = (each.fileno() for each in copies.sockets)
    quick.sendall(RESPONSE * 2)
    assert copies.receive(at_quick) == 0
    slow.sendall(RESPONSE)
    assert copies.receive(at_slow) == 1
    slow.sendall(RESPONSE[:3])
    assert copies.receive(at_slow) == 0
    slow.sendall(RESPONSE[3:])
    assert copies.receive(at_slow) == 1
    for each in (client.socket, accepted, quick, slow, *listeners, *copies.sockets):
        each.close()
