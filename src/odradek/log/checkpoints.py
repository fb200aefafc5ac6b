"""The small text files of offsets that each log directory keeps, in Apache Kafka's format.

    0                     version
    2                     number of lines that follow
    flights 0 1042        topic, partition, offset
    flights 1 998

A file that cannot be read as that is worth nothing (`CorruptCheckpointError`): recovery then starts from further back,
it never guesses.
"""

from collections.abc import Mapping

from odradek.host.files import FileSystem, read_file, write_atomically

RECOVERY_POINT = "recovery-point-offset-checkpoint"
LOG_START_OFFSET = "log-start-offset-checkpoint"
HIGH_WATERMARK = "replication-offset-checkpoint"
CLEANER_OFFSET = "cleaner-offset-checkpoint"
WRITTEN = (RECOVERY_POINT, LOG_START_OFFSET, HIGH_WATERMARK, CLEANER_OFFSET)

VERSION = 0
MAX_OFFSET = 2**63 - 1

TopicPartition = tuple[str, int]
Offsets = dict[TopicPartition, int]


class CorruptCheckpointError(ValueError):
    """The file's content is not a whole, consistent checkpoint."""


def render_offsets(offsets: Mapping[TopicPartition, int]) -> bytes:
    """The file's content; lines in the mapping's order."""
    lines = [f"{topic} {partition} {offset}\n" for (topic, partition), offset in offsets.items()]
    return f"{VERSION}\n{len(lines)}\n{''.join(lines)}".encode()


def parse_offsets(content: bytes) -> Offsets:
    """Offsets by topic and partition. Raises CorruptCheckpointError."""
    try:
        lines = content.decode("ascii").split("\n")
        version, count = _number(lines[0]), _number(lines[1])
    except (UnicodeDecodeError, ValueError, IndexError) as error:
        raise CorruptCheckpointError("the two header lines are not numbers") from error
    if version != VERSION:
        raise CorruptCheckpointError(f"version {version} is unknown")
    if len(lines) != count + 3 or lines[-1] != "":
        raise CorruptCheckpointError(f"{count} lines announced, {max(len(lines) - 3, 0)} whole ones found")
    offsets = dict(_entry(line) for line in lines[2:-1])
    if len(offsets) != count:
        raise CorruptCheckpointError("a partition is named twice")
    return offsets


def _entry(line: str) -> tuple[TopicPartition, int]:
    parts = line.split(" ")
    try:
        topic, partition, offset = parts
        entry = (topic, _number(partition)), _number(offset)
    except ValueError as error:
        raise CorruptCheckpointError(f"not 'topic partition offset': {line!r}") from error
    if not topic or entry[1] > MAX_OFFSET:
        raise CorruptCheckpointError(f"not 'topic partition offset': {line!r}")
    return entry


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(text)
    return int(text)


def write_offsets(files: FileSystem, path: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Replace the checkpoint so that a crash leaves the old or the new one. Raises OSError; may block."""
    write_atomically(files, path, render_offsets(offsets))


def read_offsets(files: FileSystem, path: str) -> Offsets:
    """The checkpoint's offsets, none when there is no file. Raises CorruptCheckpointError, OSError; may block."""
    try:
        return parse_offsets(read_file(files, path))
    except FileNotFoundError:
        return {}
