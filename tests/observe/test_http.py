"""The HTTP endpoint on real sockets, and its request parser alone."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from odradek.observe import http
from odradek.observe.http import HttpEndpoint
from odradek.observe.http_request import REQUEST_BYTES_MAX, Request, Response, parse_request
from odradek.observe.metrics import Registry

Ask = Callable[[bytes], Awaitable[bytes]]


def with_endpoint(script: Callable[[HttpEndpoint, Ask], Awaitable[None]], *, ready: bool = True) -> None:
    """Run a script against a listening endpoint; `ask` sends bytes and returns everything answered until the close."""

    async def main() -> None:
        registry = Registry()
        registry.read_gauge("up", "Always 1.", lambda: 1)
        endpoint = HttpEndpoint(asyncio.get_running_loop(), registry, lambda: ready)
        host, port = await endpoint.start("127.0.0.1", 0)

        async def ask(request: bytes) -> bytes:
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(request)
            try:
                answer = await asyncio.wait_for(reader.read(), 30)
            except ConnectionResetError:
                answer = b""
            writer.close()
            return answer

        try:
            await script(endpoint, ask)
        finally:
            endpoint.stop()

    asyncio.run(main())


def test_metrics_are_served() -> None:
    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        head, _, body = (await ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Content-Type: text/plain; version=0.0.4" in head
        assert b"Content-Length: %d\r\n" % len(body) in head
        assert body.endswith(b"up 1\n")

    with_endpoint(script)


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /healthz HTTP/1.1", 200),
        (b"GET /readyz HTTP/1.0", 200),
        (b"GET /readyz?verbose HTTP/1.1", 200),
        (b"GET /elsewhere HTTP/1.1", 404),
        (b"POST /metrics HTTP/1.1", 405),
        (b"GET metrics HTTP/1.1", 400),
        (b"GET /metrics", 400),
        (b"GET /\xff HTTP/1.1", 400),
        (b"\x16\x03\x01\x02", 400),
    ],
)
def test_status_of_answers(request_line: bytes, status: int) -> None:
    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        assert (await ask(request_line + b"\r\n\r\n")).startswith(b"HTTP/1.1 %d " % status)

    with_endpoint(script)


def test_head_has_the_length_but_no_body() -> None:
    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        answer = await ask(b"HEAD /healthz HTTP/1.1\r\n\r\n")
        assert b"Content-Length: 3\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")

    with_endpoint(script)


def test_not_ready_is_503() -> None:
    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        assert (await ask(b"GET /readyz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
        assert (await ask(b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    with_endpoint(script, ready=False)


def test_a_request_in_pieces_is_one_request() -> None:
    whole = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    assert [parse_request(whole[:length]) for length in range(len(whole))] == [None] * len(whole)
    assert parse_request(whole) == Request("GET", "/metrics")


def test_an_endless_request_is_refused() -> None:
    refused = parse_request(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * REQUEST_BYTES_MAX)
    assert isinstance(refused, Response)
    assert refused.status == 431


def test_a_silent_connection_is_answered_and_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "IDLE_TIMEOUT_S", 0.01)

    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        assert (await ask(b"GET /metr")).startswith(b"HTTP/1.1 408 ")

    with_endpoint(script)


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECTIONS_MAX", 0)

    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        assert await ask(b"GET /healthz HTTP/1.1\r\n\r\n") == b""

    with_endpoint(script)


def test_a_metric_that_fails_does_not_take_the_endpoint_down(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> float:
        raise OSError("gone")

    async def script(endpoint: HttpEndpoint, ask: Ask) -> None:
        endpoint._registry.read_gauge("bad", "Fails.", fail)
        assert (await ask(b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 500 ")
        assert (await ask(b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    with_endpoint(script)
    assert "cannot answer /metrics" in caplog.text
