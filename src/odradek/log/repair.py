"""Giving up what lies behind damage below the recovery point, because an operator said so; the log is in nobody's use.

The order makes a crash harmless: copies are durable before anything is cut, and the recovery point moves down to the
cut only when that is durable, so that until then the partition is reported as damaged again.
"""

import os
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from odradek.host.files import FileSystem, read_file, write_all, write_atomically
from odradek.log import checkpoints, flush, inventory, opening, reading
from odradek.log.errors import CorruptFileError, DamagedLogError, DirectoryFailedError, disk_error
from odradek.log.inventory import INVENTORY
from odradek.log.opening import Identity, Past, Stop
from odradek.log.paths import LOG_SUFFIX, SEGMENT_SUFFIXES, base_offset_of, base_offsets, path_of
from odradek.log.segment import Segment
from odradek.log.storage import LogStorage
from odradek.log.tasks import OpenTask

if TYPE_CHECKING:
    from odradek.config import TopicConfig

COPY_CHUNK = 1 << 20
KEPT_SUFFIX = ".damaged-"


class Damage(NamedTuple):
    """A partition whose log cannot be opened, and what a repair would take out of it."""

    task: OpenTask
    error: DamagedLogError
    end_offset: int
    """Records below it, from the intact offset on, are lost: at least, as the damage hides where the log ended."""
    size_bytes: int
    """Of what would be cut."""


def find_damage(storage: LogStorage, task: OpenTask, config: "TopicConfig", stop: Stop) -> Damage | None:
    """What a broker that opened the log would report; nothing is changed. Raises DirectoryFailedError."""
    identity = Identity(task.key.topic, task.key.partition, task.key.topic_id)
    try:
        past = Past(stop, task.log_start_offset, task.recovery_point, task.listing)
        error = opening.find_damage(storage, task.path, identity, config, past)
        if error is None:
            return None
        later = _later_segments(storage.files, task.path, error)
        sizes = [storage.files.stat(path_of(task.path, each, LOG_SUFFIX)).size for each in later]
        end_offset = max(error.intact_offset, task.recovery_point)
        if later:
            end_offset = max(end_offset, _end_offset_of(storage, task.path, later[-1], sizes[-1]))
        size_bytes = sum(sizes) + _size_of(storage.files, error.path) - error.position
    except OSError as failure:
        raise DirectoryFailedError(f"reading {task.path}: {failure}") from failure
    return Damage(task, error, end_offset, size_bytes)


def repair(storage: LogStorage, damage: Damage, config: "TopicConfig") -> list[str]:
    """Cut the log where it is intact; paths of the copies of what it loses. Durable on return.

    Raises DiskFullError and DirectoryFailedError: then the partition is as damaged as before, or more of it is cut.
    """
    task = damage.task
    try:
        kept = _keep(storage.files, task.path, damage.error)
        log = opening.open_intact(
            storage, task.path, Identity(task.key.topic, task.key.partition, task.key.topic_id), config, damage.error
        )
        log.repair()
        job = log.begin_flush(everything=True)
        if job is not None:
            flush.run(storage.files, job.fds, job.directories, job.replacements)
            log.finish_flush(job)
        log.close()
        _store_offset(storage.files, task, damage.error.intact_offset)
    except OSError as error:
        raise disk_error(error, f"repairing {task.path}") from error
    return kept


def _size_of(files: FileSystem, path: str) -> int:
    """0 also for a file that is gone."""
    try:
        return files.stat(path).size
    except FileNotFoundError:
        return 0


def _later_segments(files: FileSystem, directory: str, damage: DamagedLogError) -> list[int]:
    """Base offsets of the segments behind the damaged one, ascending."""
    damaged = base_offset_of(damage.path.rpartition("/")[2], LOG_SUFFIX)
    assert damaged is not None
    return [each for each in base_offsets(files.listdir(directory), LOG_SUFFIX) if each > damaged]


def _end_offset_of(storage: LogStorage, directory: str, base_offset: int, size: int) -> int:
    try:
        return reading.end_offset_of(Segment(storage, directory, base_offset, size, 0))
    except DamagedLogError as damage:
        return damage.intact_offset


def _keep(files: FileSystem, directory: str, damage: DamagedLogError) -> list[str]:
    """Copy the end of the damaged segment beside it and rename all later ones, last first."""
    kept = []
    suffix = f"{KEPT_SUFFIX}{damage.intact_offset}"
    if _size_of(files, damage.path) > damage.position:
        kept.append(_copy_from(files, damage.path, damage.position, suffix))
    files.sync_directory(directory)
    for base_offset in reversed(_later_segments(files, directory, damage)):
        for each in reversed(SEGMENT_SUFFIXES):
            path = path_of(directory, base_offset, each)
            if files.exists(path):
                kept.append(_free_name(files, f"{path}{suffix}"))
                files.rename(path, kept[-1])
    files.sync_directory(directory)
    return sorted(kept)


def _copy_from(files: FileSystem, path: str, position: int, suffix: str) -> str:
    target = _free_name(files, f"{path}{suffix}")
    temporary = f"{target}.tmp"
    source = files.open(path, os.O_RDONLY)
    try:
        copy = files.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for at, content in _chunks(files, source, position):
                write_all(files, copy, content, at - position)
            files.datasync(copy)
        finally:
            files.close(copy)
    finally:
        files.close(source)
    files.rename(temporary, target)
    return target


def _chunks(files: FileSystem, fd: int, position: int) -> Iterator[tuple[int, memoryview]]:
    buffer = bytearray(COPY_CHUNK)
    while (length := files.preadv(fd, [buffer], position)) > 0:
        yield position, memoryview(buffer)[:length]
        position += length


def _free_name(files: FileSystem, path: str) -> str:
    """What an earlier repair kept stays."""
    if not files.exists(path):
        return path
    return next(name for number in count(2) if not files.exists(name := f"{path}.{number}"))


def _store_offset(files: FileSystem, task: OpenTask, offset: int) -> None:
    """The inventory knows the partition no more, and then its recovery point is where it was cut."""
    directory = task.path.rpartition("/")[0]
    path = f"{directory}/{checkpoints.RECOVERY_POINT}"
    try:
        offsets = checkpoints.read_offsets(files, path)
    except checkpoints.CorruptCheckpointError:
        offsets = {}
    offsets[task.key.topic, task.key.partition] = offset
    content = checkpoints.render_offsets(offsets)
    _forget_listing(files, f"{directory}/{INVENTORY}", task, content)
    write_atomically(files, path, content)


def _forget_listing(files: FileSystem, path: str, task: OpenTask, checkpoint: bytes) -> None:
    key = (task.key.topic, task.key.partition, task.key.topic_id)
    try:
        content = inventory.without(read_file(files, path), key, checkpoint)
    except (FileNotFoundError, CorruptFileError):
        return  # It says nothing.
    write_atomically(files, path, content)
