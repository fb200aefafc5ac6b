"""The data of one broker becomes that of a worker: its logs move into `broker-<id>`, and nothing else changes.

What is in a log directory moves by renaming, into a directory that no broker looks into; meta.properties goes last, so
that as long as it is in its old place, it is known that there may be more to move. Then the directory gets its name. A
process that dies in between leaves the rest to the next start. Everything blocks; the log directories are locked.
"""

from collections.abc import Sequence

from odradek.broker.worker_directories import (
    how_to_start,
    moving_directory,
    moving_in,
    worker_directory,
    workers_in,
)
from odradek.host import FileSystem
from odradek.host.files import read_file
from odradek.log.directory import CLEAN_STOP, make_directories
from odradek.log.directory_names import DELETED_SUFFIX, STRAY_SUFFIX, parse_directory_name
from odradek.log.properties import META_PROPERTIES, PropertiesError, parse_properties
from odradek.metastore.witness import FILE_NAME as WITNESS

OWN_PREFIXES = (".odradek-", CLEAN_STOP, META_PROPERTIES)
CHECKPOINT = "-offset-checkpoint"


class RefusedError(Exception):
    """The directories are not for these brokers; one line that says what to do."""


def take_over(files: FileSystem, log_dirs: Sequence[str], node_ids: Sequence[int]) -> None:
    """Make the log directories ready for these brokers. Raises RefusedError before anything is changed; OSError."""
    for log_dir in log_dirs:
        _check(files, log_dir, node_ids)
    for log_dir in log_dirs:
        for node_id in moving_in(files, log_dir):
            _move(files, log_dir, node_id)
        if (owner := _owner(files, log_dir)) is not None:
            _move(files, log_dir, owner)


def _check(files: FileSystem, log_dir: str, node_ids: Sequence[int]) -> None:
    owner, workers, moving = _owner(files, log_dir), workers_in(files, log_dir), moving_in(files, log_dir)
    for alone in {*moving, *([] if owner is None else [owner])}:
        if alone not in node_ids:
            raise RefusedError(f"{log_dir} has the data of broker {alone}: start with --node-id {alone}")
        if alone in workers:
            raise RefusedError(
                f"{log_dir} has the data of broker {alone} twice, also in {worker_directory(log_dir, alone)}: "
                "move the one that is not to be used elsewhere"
            )
    left_out = [each for each in workers if each not in node_ids and holds_partitions(files, log_dir, each)]
    if left_out:
        wanted = sorted({*left_out, *node_ids})
        raise RefusedError(
            f"{log_dir} has the data of broker {left_out[0]} too: start with {how_to_start(wanted)}, "
            f"or move {worker_directory(log_dir, left_out[0])} elsewhere"
        )


def _owner(files: FileSystem, log_dir: str) -> int | None:
    """The broker whose own the directory is. Raises RefusedError."""
    path = f"{log_dir}/{META_PROPERTIES}"
    if not files.exists(path):
        return None
    try:
        return parse_properties(read_file(files, path)).node_id
    except PropertiesError as error:
        raise RefusedError(f"{path}: {error}") from error


def holds_partitions(files: FileSystem, log_dir: str, node_id: int) -> bool:
    """Whether the worker has any: one that was drained has none."""
    return any(parse_directory_name(name) for name in files.listdir(worker_directory(log_dir, node_id)))


def _move(files: FileSystem, log_dir: str, node_id: int) -> None:
    """Durable on return. Repeating it after a crash completes it."""
    moving = moving_directory(log_dir, node_id)
    make_directories(files, moving)
    names = [name for name in files.listdir(log_dir) if _is_of_broker(files, log_dir, name)]
    for name in sorted(names, key=lambda name: name == META_PROPERTIES):
        if name == META_PROPERTIES:
            _sync(files, moving, log_dir)
        files.rename(f"{log_dir}/{name}", f"{moving}/{name}")
    _sync(files, moving, log_dir)
    files.rename(moving, worker_directory(log_dir, node_id))
    files.sync_directory(log_dir)


def _sync(files: FileSystem, moving: str, log_dir: str) -> None:
    """All that was moved so far is durably where it is now."""
    files.sync_directory(moving)
    files.sync_directory(log_dir)


def _is_of_broker(files: FileSystem, log_dir: str, name: str) -> bool:
    """Not the metadata, the lock and the witness, which stay, and what others have put there."""
    if files.stat(f"{log_dir}/{name}").is_directory:
        return parse_directory_name(name) is not None or name.endswith((DELETED_SUFFIX, STRAY_SUFFIX))
    return not name.startswith(WITNESS) and (name.startswith(OWN_PREFIXES) or CHECKPOINT in name)
