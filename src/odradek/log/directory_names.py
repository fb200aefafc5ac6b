"""Names of the directories inside a log directory: partitions', and those set aside (as Apache Kafka names them)."""

import re

DELETED_SUFFIX = "-delete"
STRAY_SUFFIX = "-stray"
MAX_NAME_LENGTH = 255

_NAME = re.compile(r"([A-Za-z0-9._-]{1,249})-(0|[1-9][0-9]{0,9})")


def directory_name(topic: str, partition: int) -> str:
    """`<topic>-<partition>`."""
    return f"{topic}-{partition}"


def parse_directory_name(name: str) -> tuple[str, int] | None:
    """Topic and partition, or None for what is not a partition's directory (set aside, deleted, foreign)."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


def set_aside_name(name: str, unique_id: str, suffix: str) -> str:
    """`<name>.<unique id><suffix>`, the name cut where a file system would not take the whole."""
    tail = f".{unique_id}{suffix}"
    return name[: MAX_NAME_LENGTH - len(tail)] + tail
