"""Request headers and response frames.

A frame is a big-endian i32 size and that many bytes. A request begins with header version 1 (api key i16, version i16,
correlation id i32, client id as a nullable string) or, for flexible versions, version 2: the same and tagged fields.
The client id is never compact. A response begins with the correlation id and, for flexible versions of every API but
ApiVersions, tagged fields (KIP-482, KIP-511).
"""

from struct import Struct
from typing import NamedTuple

from odradek.host.files import Buffer
from odradek.wire.apis import API_VERSIONS, BY_KEY
from odradek.wire.errors import MalformedRequestError
from odradek.wire.primitives import skip_tagged_fields

SIZE = Struct(">i")
REQUEST_START = Struct(">hhih")
"""API key, version, correlation id, length of the client id (-1 for null)."""

_LEGACY_RESPONSE = Struct(">ii")
_FLEXIBLE_RESPONSE = Struct(">iib")


class RequestHeader(NamedTuple):
    """`body` is the position of the first byte after the header."""

    api_key: int
    version: int
    correlation_id: int
    client_id: str | None
    body: int


def read_request_header(buffer: Buffer, position: int, end: int) -> RequestHeader:
    """The header of the frame content in buffer[position:end]. Raises MalformedRequestError.

    For an API or version that is not advertised the tagged fields, whose presence is then unknown, are not skipped.
    """
    start = position + REQUEST_START.size
    if start > end:
        raise MalformedRequestError(f"a request of {end - position} bytes has no whole header")
    api_key, version, correlation_id, client_id_size = REQUEST_START.unpack_from(buffer, position)
    if client_id_size < 0:
        client_id, body = None, start
    else:
        body = start + client_id_size
        if body > end:
            raise MalformedRequestError(f"a client id of {client_id_size} bytes ends beyond the request")
        try:
            client_id = str(buffer[start:body], "utf-8")
        except UnicodeDecodeError as error:
            raise MalformedRequestError("the client id is not UTF-8") from error
    api = BY_KEY.get(api_key)
    if api is not None and version >= api.flexible_from and api.has(version):
        body = skip_tagged_fields(buffer, body, end)
    return RequestHeader(api_key, version, correlation_id, client_id, body)


def response_header(api_key: int, version: int, correlation_id: int, body_size: int) -> bytes:
    """Size and header of a response whose body of `body_size` bytes follows."""
    if api_key != API_VERSIONS and BY_KEY[api_key].is_flexible(version):
        return _FLEXIBLE_RESPONSE.pack(body_size + 5, correlation_id, 0)
    return _LEGACY_RESPONSE.pack(body_size + 4, correlation_id)
