"""`partition.metadata`: the id of the topic a directory belongs to (KIP-516). Text, two lines."""

import base64
import binascii
from uuid import UUID

from odradek.log.errors import CorruptFileError

VERSION = "0"


def encode(topic_id: UUID) -> bytes:
    """The file's content; ids are written as Kafka prints them, 22 characters of URL-safe base64."""
    text = base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode()
    return f"version: {VERSION}\ntopic_id: {text}".encode()


def decode(content: bytes) -> UUID:
    """The topic's id. Raises CorruptFileError."""
    fields = dict(line.split(": ", 1) for line in _lines(content))
    if fields.get("version") != VERSION or "topic_id" not in fields:
        raise CorruptFileError("partition.metadata lacks its version or topic id")
    try:
        raw = base64.b64decode(fields["topic_id"] + "==", altchars=b"-_", validate=True)
        return UUID(bytes=raw)
    except (ValueError, binascii.Error):
        raise CorruptFileError(f"partition.metadata: {fields['topic_id']!r} is no topic id") from None


def _lines(content: bytes) -> list[str]:
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise CorruptFileError("partition.metadata is not text") from None
    if any(": " not in line for line in lines):
        raise CorruptFileError("partition.metadata has a line without a value")
    return lines
