"""Making, setting aside and removing partitions' directories so that a crash at any step leaves a state `scan` knows.

Creation: mkdir, partition.metadata (durable in its directory), sync of the log directory. A crash before the metadata
is there leaves a directory without records that nothing was promised of: the next scan reports it as incomplete.
Deletion: rename to `<name>.<uuid>-delete`, sync of the log directory (only now may a namesake be made), removal of the
files whenever there is time. Plain functions over the file system; they block and run in the executor.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from odradek.host.files import FileSystem, read_file, write_atomically
from odradek.log import partition_metadata
from odradek.log.directory_names import DELETED_SUFFIX, directory_name, parse_directory_name
from odradek.log.errors import CorruptFileError
from odradek.log.paths import PARTITION_METADATA_FILE


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
    """Named like a partition and holding something, but without a readable topic id: to be set aside, never opened."""


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
        holds_data = any(entry.endswith(".log") for entry in files.listdir(f"{directory}/{name}"))
        (found.unidentified if holds_data else found.incomplete).append(name)
    except CorruptFileError:
        found.unidentified.append(name)
    else:
        found.partitions.append(PartitionKey(*parsed, topic_id))


def create(files: FileSystem, directory: str, keys: Sequence[PartitionKey]) -> None:
    """Make the partitions' directories, durable on return. Repeating it after a crash completes it.

    Raises ForeignDirectoryError when a place is taken by another topic id, OSError.
    """
    for key in keys:
        path = f"{directory}/{key.name}"
        try:
            files.mkdir(path)
        except FileExistsError:
            if _is_complete(files, path, key):
                continue
        write_atomically(files, f"{path}/{PARTITION_METADATA_FILE}", partition_metadata.encode(key.topic_id))
    files.sync_directory(directory)


def _is_complete(files: FileSystem, path: str, key: PartitionKey) -> bool:
    try:
        topic_id = partition_metadata.decode(read_file(files, f"{path}/{PARTITION_METADATA_FILE}"))
    except FileNotFoundError:
        return False
    except CorruptFileError as error:
        raise ForeignDirectoryError(f"{path}: {error}") from error
    if topic_id != key.topic_id:
        raise ForeignDirectoryError(f"{path} belongs to topic id {topic_id}, not {key.topic_id}")
    return True


def set_aside(files: FileSystem, directory: str, renames: Sequence[tuple[str, str]]) -> None:
    """Rename entries of a log directory, durable on return; a source that is gone was renamed already. OSError."""
    for source, target in renames:
        with contextlib.suppress(FileNotFoundError):
            files.rename(f"{directory}/{source}", f"{directory}/{target}")
    files.sync_directory(directory)


def remove(files: FileSystem, path: str) -> None:
    """Remove a directory of files. Not synced: what a crash brings back, the next start removes. Raises OSError."""
    try:
        names = files.listdir(path)
    except FileNotFoundError:
        return
    for name in names:
        files.unlink(f"{path}/{name}")
    files.rmdir(path)
