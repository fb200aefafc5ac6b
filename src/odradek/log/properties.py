"""`meta.properties`: which cluster, node and directory this is, in Apache Kafka's format, and our own format number."""

import base64
from dataclasses import dataclass
from uuid import UUID

META_PROPERTIES = "meta.properties"
KAFKA_VERSION = 1
MAX_DIGITS = 18
FORMAT = 1
"""What this release writes as `odradek.format`; it opens every lower one."""


class PropertiesError(ValueError):
    """meta.properties says that this directory is not ours to open; one line for the user."""


@dataclass(frozen=True, slots=True)
class MetaProperties:
    cluster_id: str
    node_id: int
    directory_id: UUID
    format: int = FORMAT


def encode_uuid(value: UUID) -> str:
    """Kafka's text form of an id: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def decode_uuid(text: str) -> UUID:
    """The id that `encode_uuid` wrote. Raises ValueError."""
    return UUID(bytes=base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))


def render_properties(properties: MetaProperties) -> bytes:
    """The file's content: sorted `key=value` lines."""
    values = {
        "cluster.id": properties.cluster_id,
        "directory.id": encode_uuid(properties.directory_id),
        "node.id": str(properties.node_id),
        "odradek.format": str(properties.format),
        "version": str(KAFKA_VERSION),
    }
    return "".join(f"{key}={value}\n" for key, value in values.items()).encode()


def parse_properties(content: bytes) -> MetaProperties:
    """Raises PropertiesError naming the key that is missing, malformed or newer than this release."""
    values = _key_values(content)
    version = _integer(values, "version")
    if version != KAFKA_VERSION:
        raise PropertiesError(f"version={version} is unknown (this release reads version={KAFKA_VERSION})")
    found = _integer(values, "odradek.format")
    if found > FORMAT:
        raise PropertiesError(f"odradek.format={found} was written by a newer release (this one reads up to {FORMAT})")
    text = _text(values, "directory.id")
    try:
        directory_id = decode_uuid(text)
    except ValueError as error:
        raise PropertiesError(f"directory.id={text} is not an id") from error
    return MetaProperties(_text(values, "cluster.id"), _integer(values, "node.id"), directory_id, found)


def _key_values(content: bytes) -> dict[str, str]:
    values = {}
    for line in content.decode("utf-8", "replace").splitlines():
        if line and line[0] not in "#!":
            key, _, value = line.partition("=")
            values[key.strip()] = value.strip().replace("\\:", ":").replace("\\=", "=")
    return values


def _text(values: dict[str, str], key: str) -> str:
    if not values.get(key):
        raise PropertiesError(f"{key} is missing")
    return values[key]


def _integer(values: dict[str, str], key: str) -> int:
    text = _text(values, key)
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise PropertiesError(f"{key}={text} is not a number")
    return int(text)
