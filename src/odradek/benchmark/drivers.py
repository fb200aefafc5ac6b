"""Clients that keep requests in flight and do next to nothing else, so that the broker is what is measured.

All responses of a driver have the same size as long as none is an error, so they are counted by bytes; the caller
compares log end offsets afterwards.
"""

from __future__ import annotations

import gc
import select
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from odradek.benchmark import frames
from odradek.benchmark.connection import Connection
from odradek.benchmark.errors import BenchError

_RECEIVE_SIZE = 1 << 16
Request = bytes | bytearray


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without the garbage collector, whose pauses would be the client's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def pipelined(
    connection: Connection, requests: Iterator[Request], response_size: int, in_flight: int, seconds: float,
    burst: int = 1,
) -> int:  # fmt: skip
    """Keep `in_flight` requests on the way; how many were answered. Each of `requests` is `burst` of them together."""
    send, receive_into, buffer = connection.socket.sendall, connection.socket.recv_into, bytearray(_RECEIVE_SIZE)
    sent = answered = received = 0
    deadline = perf_counter() + seconds
    while perf_counter() < deadline:
        while sent - answered <= in_flight - burst:
            send(next(requests))
            sent += burst
        received += _some(receive_into(buffer))
        answered = received // response_size
    while answered < sent:
        received += _some(receive_into(buffer))
        answered = received // response_size
    return answered


def send_some(
    connection: Connection, requests: Iterator[Request], response_size: int, in_flight: int, count: int
) -> None:
    """Send so many of the requests with `in_flight` on the way, and wait until all are answered."""
    send, receive_into, buffer = connection.socket.sendall, connection.socket.recv_into, bytearray(_RECEIVE_SIZE)
    answered = received = 0
    for sent in range(count):
        while sent - answered >= in_flight:
            received += _some(receive_into(buffer))
            answered = received // response_size
        send(next(requests))
    while answered < count:
        received += _some(receive_into(buffer))
        answered = received // response_size


def from_many(connections: Sequence[Connection], requests: Sequence[bytes], seconds: float) -> int:
    """One request in flight on each connection, each with its own; how many were answered."""
    poll = select.epoll()
    ends = {}
    for connection, request in zip(connections, requests, strict=True):
        poll.register(connection.socket, select.EPOLLIN)
        ends[connection.socket.fileno()] = (connection.socket.recv, connection.socket.send, request)
        connection.socket.send(request)
    answered, waiting, deadline = 0, len(connections), perf_counter() + seconds
    while waiting:
        goes_on = perf_counter() < deadline
        for descriptor, _ in poll.poll():
            receive, send, request = ends[descriptor]
            _some(len(receive(4096)))
            answered += 1
            if goes_on:
                send(request)
            else:
                waiting -= 1
    poll.close()
    return answered


def round_trips(connection: Connection, request: bytes, seconds: float, pause_s: float = 0.0) -> array[float]:
    """One request at a time; the seconds each took."""
    send, receive, latencies = connection.socket.sendall, connection.socket.recv, array("d")
    deadline = perf_counter() + seconds
    while (begin := perf_counter()) < deadline:
        send(request)
        _some(len(receive(4096)))
        latencies.append(perf_counter() - begin)
        if pause_s:
            time.sleep(pause_s)
    return latencies


def end_to_end(
    producer: Connection, consumer: Connection, request: bytes, next_fetch: Callable[[int], bytes], topic: str,
    count: int, interval_s: float,
) -> array[float]:  # fmt: skip
    """Send a record every `interval_s`, whatever is answered; seconds from each to its arrival at a long poll."""
    sent_at, latencies = array("d"), array("d")
    sockets = [producer.socket, consumer.socket]
    consumer.socket.sendall(next_fetch(0))
    due = perf_counter()
    while len(latencies) < count:
        wait_s = max(due - perf_counter(), 0.0) if len(sent_at) < count else 1.0
        readable, _, _ = select.select(sockets, [], [], wait_s)
        if consumer.socket in readable:
            response, now = consumer.receive(), perf_counter()
            for base_offset in _offsets(response, topic):
                latencies.append(now - sent_at[base_offset])
            consumer.socket.sendall(next_fetch(len(latencies)))
        if producer.socket in readable:
            _some(len(producer.socket.recv(_RECEIVE_SIZE)))
        if len(sent_at) < count and (now := perf_counter()) >= due:
            sent_at.append(now)
            producer.socket.sendall(request)
            due += interval_s
    return latencies


def read_from(
    connection: Connection, topic: str, next_fetch: Callable[[int], bytes], end: int, seconds: float
) -> tuple[int, int]:
    """Fetch one response after the other, from the begin again at the end; (requests, bytes of record batches)."""
    offset = requests = size = 0
    deadline = perf_counter() + seconds
    while perf_counter() < deadline:
        connection.socket.sendall(next_fetch(offset))
        response = connection.receive()
        found = frames.fetched(response, topic)
        batches = frames.whole_batches(response, found.start, found.end)
        if found.error_code or not batches:
            raise BenchError(f"a fetch from offset {offset} brought no batch, error code {found.error_code}")
        base_offset, count, _ = batches[-1]
        offset = base_offset + count
        if offset >= end:
            offset = 0
        requests += 1
        size += sum(batch[2] for batch in batches)
    return requests, size


def _offsets(response: memoryview, topic: str) -> list[int]:
    found = frames.fetched(response, topic)
    if found.error_code:
        raise BenchError(f"a fetch failed with error code {found.error_code}")
    return [base_offset for base_offset, _, _ in frames.whole_batches(response, found.start, found.end)]


def _some(received: int) -> int:
    if received == 0:
        raise ConnectionError("the broker closed the connection")
    return received
