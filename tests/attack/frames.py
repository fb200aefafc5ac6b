"""Requests as bytes: whole ones of every API and version, and everything that can be wrong with them."""

import random
import socket
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any

from kio.serial import entity_reader

from odradek.wire.apis import APIS, FIRST_PRODUCE_VERSION, PRODUCE, Api
from tests.support.requests import request
from tests.support.wire_client import schema
from tests.wire.kio_frames import request_content

SIZE = struct.Struct(">i")
HEADER = struct.Struct(">hhih")


def frame(content: bytes) -> bytes:
    """The content behind its size."""
    return SIZE.pack(len(content)) + content


def framed(entity: Any, correlation_id: int = 1) -> bytes:
    """kio's entity as a whole frame."""
    return frame(request_content(entity, correlation_id=correlation_id, client_id="attack"))


def header(api_key: int, version: int, flexible: bool) -> bytes:
    """A request header with a null client id."""
    return HEADER.pack(api_key, version, 1, -1) + (b"\x00" if flexible else b"")


def receive_frame(connection: socket.socket) -> bytes:
    """The content of the next response. Raises ConnectionError when the connection ends."""
    (size,) = SIZE.unpack(_exactly(connection, SIZE.size))
    return _exactly(connection, size)


def receive(connection: socket.socket, request_class: type[Any]) -> Any:
    """The next response, to a request of that class."""
    content = receive_frame(connection)
    response = response_class_of(request_class.__module__, request_class.__name__)
    _, size = entity_reader(response.__header_schema__)(content, 0)
    return entity_reader(response)(content, size)[0]


def versions() -> Iterator[tuple[Api, int]]:
    """Every API and version that is served."""
    for api in APIS:
        first = FIRST_PRODUCE_VERSION if api.key == PRODUCE else api.min_version
        yield from ((api, version) for version in range(first, api.max_version + 1))


@cache
def blank(api: Api, version: int) -> bytes:
    """The content of a request with nothing in it: well-formed, mostly pointless, harmless."""
    return request_content(request(api.name, version), client_id="attack")


def malformed(random_source: random.Random) -> bytes:
    """One frame that is wrong in some way, or right by chance."""
    return random_source.choice(KINDS)(random_source)


def _random_bytes(source: random.Random) -> bytes:
    return frame(source.randbytes(source.randrange(0, 300)))


def _random_stream(source: random.Random) -> bytes:
    return source.randbytes(source.randrange(1, 300))


def _random_body(source: random.Random) -> bytes:
    api, version = source.choice(ALL)
    return frame(header(api.key, version, api.is_flexible(version)) + source.randbytes(source.randrange(0, 200)))


def _truncated(source: random.Random) -> bytes:
    content = blank(*source.choice(ALL))
    return frame(content[: source.randrange(len(content))])


def _flipped(source: random.Random) -> bytes:
    content = bytearray(blank(*source.choice(ALL)))
    for _ in range(source.randint(1, 4)):
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    return frame(bytes(content))


def _absurd_numbers(source: random.Random) -> bytes:
    """A header and then counts and lengths that nobody can mean, over and over."""
    api, version = source.choice(ALL)
    body = b"".join(source.choice(ABSURD) for _ in range(source.randint(1, 30)))
    return frame(header(api.key, version, api.is_flexible(version)) + body)


def _wrong_version(source: random.Random) -> bytes:
    return frame(header(source.randint(-32768, 32767), source.randint(-32768, 32767), source.random() < 0.5))


def _wrong_version_of_an_api(source: random.Random) -> bytes:
    api = source.choice(APIS)
    version = source.choice([-32768, -1, api.min_version - 1, api.max_version + 1, 32767])
    return frame(header(api.key, version, api.is_flexible(version)) + source.randbytes(20))


def _wrong_size(source: random.Random) -> bytes:
    content = blank(*source.choice(ALL))
    size = source.choice([0, -1, 1, 7, -(2**31), 2**31 - 1, len(content) - 1, len(content) + 1])
    return SIZE.pack(size) + content


ALL = list(versions())
ABSURD = [
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80",
    b"\x7f\xff",
    b"\x80\x00",
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x02\x00",
    b"\x03\xc3\x28",
    b"\x00\x02\xc3\x28",
    b"\x04\xed\xa0\x80",
    b"\x05a\x00b\x00",
    b"\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x80\x00\x00\x00\x00\x00\x00\x00",
]
KINDS = [
    _random_bytes, _random_stream, _random_body, _random_body, _truncated, _flipped, _flipped, _absurd_numbers,
    _absurd_numbers, _wrong_version, _wrong_version_of_an_api, _wrong_size,
]  # fmt: skip


@cache
def response_class_of(module: str, request_name: str) -> Any:
    """kio's class that answers the request class of that module."""
    _, _, api, version, _ = module.split(".")
    return getattr(schema(api, int(version[1:]), "response"), request_name.removesuffix("Request") + "Response")


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionResetError("the broker has closed the connection")
        received += part
    return bytes(received)
