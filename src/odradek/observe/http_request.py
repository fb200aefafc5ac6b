"""The little of HTTP/1.1 that a scraper and a health check speak: a request head in, one response out. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

REQUEST_BYTES_MAX = 8 * 1024
"""Longest request head; a longer one is answered with 431."""


class Request(NamedTuple):
    """What matters of a request."""

    method: str
    path: str


class Response(NamedTuple):
    """Status and body of an answer; the connection is closed after it."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    allow: str = ""


_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
Handler = Callable[[], Response]


def parse_request(received: bytes | bytearray) -> Request | Response | None:
    """A request, the response that refuses it, or None while its head is not complete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return error(431) if len(received) > REQUEST_BYTES_MAX else None
    if end > REQUEST_BYTES_MAX:
        return error(431)
    parts = bytes(received[: received.find(b"\r\n")]).split(b" ")
    if len(parts) != 3 or not parts[2].startswith(b"HTTP/1.") or not parts[1].startswith(b"/"):
        return error(400)
    try:
        return Request(parts[0].decode("ascii"), parts[1].decode("ascii").partition("?")[0])
    except UnicodeDecodeError:
        return error(400)


def answer(request: Request, routes: dict[str, Handler]) -> Response:
    """Find the route and ask it."""
    handler = routes.get(request.path)
    if handler is None:
        return Response(404, f"not found; there are {' '.join(routes)}\n".encode())
    if request.method not in ("GET", "HEAD"):
        return error(405)._replace(allow="GET, HEAD")
    return handler()


def error(status: int) -> Response:
    """A response that says only its status."""
    return Response(status, f"{_REASONS[status].lower()}\n".encode())


def encode(response: Response, *, with_body: bool) -> bytes:
    """The bytes of a response."""
    head = [
        f"HTTP/1.1 {response.status} {_REASONS[response.status]}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        *([f"Allow: {response.allow}"] if response.allow else []),
        "Cache-Control: no-store",
        "Connection: close",
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + (response.body if with_body else b"")
