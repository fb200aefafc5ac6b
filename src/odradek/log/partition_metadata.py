"""`partition.metadata`: the topic id a partition's directory belongs to, in Apache Kafka's format; and directory names.

A directory `<topic>-<partition>` serves a topic only when the id in it is the topic's: a topic made again under the
same name never sees its predecessor's records.
"""

import re
from uuid import UUID

from odradek.log.properties import decode_uuid, encode_uuid

PARTITION_METADATA = "partition.metadata"
DELETED_SUFFIX = "-delete"
STRAY_SUFFIX = "-stray"
MAX_NAME_LENGTH = 255

_NAME = re.compile(r"([A-Za-z0-9._-]{1,249})-(0|[1-9][0-9]{0,9})")


class CorruptPartitionMetadataError(ValueError):
    """partition.metadata does not name a topic id."""


def directory_name(topic: str, partition: int) -> str:
    """`<topic>-<partition>`."""
    return f"{topic}-{partition}"


def parse_directory_name(name: str) -> tuple[str, int] | None:
    """Topic and partition, or None for what is not a partition's directory (set aside, deleted, foreign)."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def set_aside_name(name: str, unique_id: str, suffix: str) -> str:
    """`<name>.<unique id><suffix>`, the name cut where a file system would not take the whole (as Kafka does)."""
    tail = f".{unique_id}{suffix}"
    return name[: MAX_NAME_LENGTH - len(tail)] + tail


def render_partition_metadata(topic_id: UUID) -> bytes:
    return f"version: 0\ntopic_id: {encode_uuid(topic_id)}".encode()


def parse_partition_metadata(content: bytes) -> UUID:
    """The topic id. Raises CorruptPartitionMetadataError."""
    version, _, rest = content.partition(b"\n")
    key, _, text = rest.strip().partition(b": ")
    try:
        if version.strip() != b"version: 0" or key != b"topic_id":
            raise ValueError(content)
        return decode_uuid(text.decode("ascii"))
    except ValueError as error:
        raise CorruptPartitionMetadataError(f"no topic id in {content[:80]!r}") from error
