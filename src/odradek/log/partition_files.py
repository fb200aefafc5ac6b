"""Making, setting aside and removing partitions' directories so that a crash at any step leaves a state `scan` knows.

Creation: mkdir, the first segment, partition.metadata (durable in its directory), sync of the log directory; each step
for some partitions together, so that the file system's journal commits them together. A crash before the metadata is
there leaves a directory without records that nothing was promised of: the next scan reports it as incomplete.
Deletion: rename to `<name>.<uuid>-delete`, sync of the log directory (only now may a namesake be made), removal of the
files whenever there is time. Plain functions over the file system; they block and run in the executor.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from odradek.host.files import FileSystem, read_file, write_each_atomically
from odradek.log import partition_metadata
from odradek.log.directory_names import DELETED_SUFFIX, directory_name, parse_directory_name
from odradek.log.errors import CorruptFileError
from odradek.log.paths import LOG_SUFFIX, PARTITION_METADATA_FILE, path_of


@dataclass(frozen=True, slots=True)
class PartitionKey:
    """A partition and the topic id its directory belongs to."""

    topic: str
    partition: int
    topic_id: UUID

    @property
    def name(self) -> str:
        """Of its directory."""
        return directory_name(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a log directory holds; lists are sorted by name."""

    partitions: list[PartitionKey]
    deleted: list[str]
    """Set aside for removal by an earlier process."""
    incomplete: list[str]
    """Creation did not get as far as the topic id; no records inside."""
    unidentified: list[str]
    """Named like a partition and holding something, but without a readable topic id: never opened."""


class ForeignDirectoryError(Exception):
    """The partition's place is taken by another topic's directory."""


def scan(files: FileSystem, directory: str) -> Scan:
    """Look at every entry of a log directory. Raises OSError."""
    found = Scan([], [], [], [])
    for name in sorted(files.listdir(directory)):
        if name.endswith(DELETED_SUFFIX):
            found.deleted.append(name)
        elif (parsed := parse_directory_name(name)) is not None:
            _classify(files, directory, name, parsed, found)
    return found


def _classify(files: FileSystem, directory: str, name: str, parsed: tuple[str, int], found: Scan) -> None:
    try:
        topic_id = partition_metadata.decode(read_file(files, f"{directory}/{name}/{PARTITION_METADATA_FILE}"))
    except NotADirectoryError:
        return
    except FileNotFoundError:
        kind = found.unidentified if holds_records(files, f"{directory}/{name}") else found.incomplete
        kind.append(name)
    except CorruptFileError:
        found.unidentified.append(name)
    else:
        found.partitions.append(PartitionKey(*parsed, topic_id))


def create(files: FileSystem, directory: str, keys: Sequence[PartitionKey]) -> list["ForeignDirectoryError | None"]:
    """Make the partitions' directories, durable on return. Repeating it after a crash completes it.

    For each key None, or why its place is taken. Raises OSError: then nothing is known about any of them.
    """
    taken: list[ForeignDirectoryError | None] = []
    begun: dict[UUID, list[str]] = {}
    for key in keys:
        try:
            if _begin(files, f"{directory}/{key.name}", key):
                begun.setdefault(key.topic_id, []).append(f"{directory}/{key.name}")
        except ForeignDirectoryError as error:
            taken.append(error)
        else:
            taken.append(None)
    for topic_id, paths in begun.items():
        names = [f"{path}/{PARTITION_METADATA_FILE}" for path in paths]
        write_each_atomically(files, names, partition_metadata.encode(topic_id))
    files.sync_directory(directory)
    return taken


def _begin(files: FileSystem, path: str, key: PartitionKey) -> bool:
    """The directory and its first segment, to be made durable; False when all is there and durable."""
    try:
        files.mkdir(path)
    except FileExistsError:
        if _is_complete(files, path, key):
            files.sync_directory(path)
            return False
    # Durable with the metadata: were it lost after a roll, the log would come back without its beginning.
    files.close(files.open(path_of(path, 0, LOG_SUFFIX), os.O_WRONLY | os.O_CREAT))
    return True


def _is_complete(files: FileSystem, path: str, key: PartitionKey) -> bool:
    """Whether a directory that exists is the key's own; False when an earlier creation has to be completed."""
    try:
        topic_id = partition_metadata.decode(read_file(files, f"{path}/{PARTITION_METADATA_FILE}"))
    except FileNotFoundError:
        if holds_records(files, path):
            raise ForeignDirectoryError(f"{path} holds records of an unknown topic id") from None
        return False
    except CorruptFileError as error:
        raise ForeignDirectoryError(f"{path}: {error}") from error
    if topic_id != key.topic_id:
        raise ForeignDirectoryError(f"{path} belongs to topic id {topic_id}, not {key.topic_id}")
    return True


def holds_records(files: FileSystem, path: str) -> bool:
    """Whether a partition's directory has a segment that is not empty."""
    return any(name.endswith(LOG_SUFFIX) and files.stat(f"{path}/{name}").size for name in files.listdir(path))


def set_aside(files: FileSystem, directory: str, renames: Sequence[tuple[str, str]]) -> None:
    """Rename entries of a log directory, durable on return; a source that is gone was renamed already. OSError."""
    for source, target in renames:
        with contextlib.suppress(FileNotFoundError):
            files.rename(f"{directory}/{source}", f"{directory}/{target}")
    files.sync_directory(directory)


def remove(files: FileSystem, path: str) -> None:
    """Remove a file, or a directory of files; nothing when it is gone. Raises OSError.

    Not synced: what a crash brings back, the next start removes.
    """
    try:
        if not files.stat(path).is_directory:
            files.unlink(path)
            return
        for name in files.listdir(path):
            files.unlink(f"{path}/{name}")
        files.rmdir(path)
    except FileNotFoundError:
        return
