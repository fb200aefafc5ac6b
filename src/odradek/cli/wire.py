"""Requests that librdkafka does not have, over a blocking connection: kio's messages, one request at a time."""

from __future__ import annotations

import socket
from importlib import import_module
from io import BytesIO
from struct import Struct
from types import ModuleType, TracebackType
from typing import Any, Self

from odradek.cli.errors import CommandError

CLIENT_ID = "odradek-cli"
CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 30.0
_SIZE = Struct(">i")


def schema(api: str, version: int) -> ModuleType:
    """kio's classes of one API's requests: `schema("describe_cluster", 2).DescribeClusterRequest`."""
    return import_module(f"kio.schema.{api}.v{version}.request")


class BrokerConnection:
    """One connection to one broker. Raises OSError when it does not answer in time."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        self._socket.settimeout(ANSWER_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def ask(self, request: Any) -> Any:
        """The response, in the request's version."""
        from kio.serial import entity_reader

        self._socket.sendall(_frame(request))
        (size,) = _SIZE.unpack(self._receive(_SIZE.size))
        content = self._receive(size)
        kind = _response_class(type(request))
        _, start = entity_reader(kind.__header_schema__)(content, 0)
        response, _ = entity_reader(kind)(content, start)
        return response

    def _receive(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = self._socket.recv(size - len(received))
            if not part:
                raise ConnectionError("the broker closed the connection: it may not know this request")
            received += part
        return bytes(received)


def require(error: Any, message: str | None) -> None:
    """Raises CommandError for an answer that is not yes."""
    if error.value:
        raise CommandError(message or str(error.name).replace("_", " "))


def _frame(request: Any) -> bytes:
    from kio.serial import entity_writer

    kind = type(request)
    header = kind.__header_schema__(
        request_api_key=kind.__api_key__,
        request_api_version=kind.__version__,
        correlation_id=1,
        client_id=CLIENT_ID,
    )
    out = BytesIO()
    entity_writer(type(header))(out, header)
    entity_writer(kind)(out, request)
    content = out.getvalue()
    return _SIZE.pack(len(content)) + content


def _response_class(request_class: type[Any]) -> type[Any]:
    module = import_module(request_class.__module__.removesuffix("request") + "response")
    found: type[Any] = getattr(module, request_class.__name__.removesuffix("Request") + "Response")
    return found
