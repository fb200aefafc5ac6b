"""Putting a compacted segment in the place of those it was made of, so that a crash leaves the old or the new.

The steps, for segments A, B and C of which a new A was made, and what an opening does that finds what is there before
the step (power loss keeps any part of what was not synced, so each step is durable before the next may be):

    .log.<job>.cleaned and its indexes are written, synced and durable   removes them
    indexes are renamed to .swap                                         removes those too: the .log is still .cleaned
    the .log is renamed to A.log.swap: from now on the new counts        goes on from here
    the files of the old A, B and C are renamed to .deleted
    indexes are renamed to A.index ...
    A.log.swap is renamed to A.log

A log reads the new segment from the renaming to .swap on (`Segment.suffix`). These are Apache Kafka's own names and
order, with a sync between every two steps; the job's id in the name keeps two cleanings apart. There is a new index
of a kind wherever there was an old one, perhaps an empty one. Plain functions over the file system.
"""

import contextlib
from collections.abc import Iterable, Sequence

from odradek.host.files import FileSystem
from odradek.log.batch_walk import BatchWalk, MalformedBatchError
from odradek.log.errors import DamagedLogError, DiskFullError, disk_error
from odradek.log.paths import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    SWAP_SUFFIX,
    base_offset_of,
    base_offsets,
    path_of,
)

INDEX_SUFFIXES = tuple(suffix for suffix in SEGMENT_SUFFIXES if suffix != LOG_SUFFIX)


def cleaned_path(directory: str, base_offset: int, suffix: str, job_id: str) -> str:
    """`00000000000000000042.log.<job>.cleaned`."""
    return f"{path_of(directory, base_offset, suffix)}.{job_id}{CLEANED_SUFFIX}"


def prepare(files: FileSystem, directory: str, base_offset: int, job_id: str) -> None:
    """The output of a job is durable, and its indexes wait under their `.swap` names. Runs in the executor.

    Raises OSError.
    """
    for suffix in SEGMENT_SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            _sync(files, cleaned_path(directory, base_offset, suffix, job_id))
    files.sync_directory(directory)
    for suffix in INDEX_SUFFIXES:
        source = cleaned_path(directory, base_offset, suffix, job_id)
        _rename(files, source, path_of(directory, base_offset, suffix) + SWAP_SUFFIX)
    files.sync_directory(directory)


def commit(files: FileSystem, directory: str, base_offset: int, job_id: str) -> None:
    """The new segment counts. Raises OSError: then it does not."""
    source = cleaned_path(directory, base_offset, LOG_SUFFIX, job_id)
    files.rename(source, path_of(directory, base_offset, LOG_SUFFIX) + SWAP_SUFFIX)


def set_old_aside(files: FileSystem, directory: str, old: Sequence[int]) -> list[str]:
    """Once the commit is durable, rename the files of the old segments; their new names. Runs in the executor.

    Raises OSError.
    """
    files.sync_directory(directory)
    renamed = []
    for base_offset in old:
        for suffix in (*INDEX_SUFFIXES, LOG_SUFFIX):
            path = path_of(directory, base_offset, suffix)
            try:
                if _rename(files, path, path + DELETED_SUFFIX):
                    renamed.append(path + DELETED_SUFFIX)
            except OSError as error:
                if not isinstance(disk_error(error, path), DiskFullError):
                    raise
                files.unlink(path)  # There is no room for the longer name.
    files.sync_directory(directory)
    return renamed


def finish(files: FileSystem, directory: str, base_offset: int) -> None:
    """Give the new segment's files their names, the `.log` last; to be made durable by the caller. Raises OSError."""
    for suffix in (*INDEX_SUFFIXES, LOG_SUFFIX):
        path = path_of(directory, base_offset, suffix)
        _rename(files, path + SWAP_SUFFIX, path)


def remove_outputs(files: FileSystem, directory: str, job_id: str) -> None:
    """What a job that is given up has left, up to and including `prepare`. Runs in the executor. Raises OSError.

    Indexes go first, durably: while the `.log` is `.cleaned`, that says what they are.
    """
    ending = f".{job_id}{CLEANED_SUFFIX}"
    names = files.listdir(directory)
    outputs = [name for name in names if name.endswith(ending)]
    bases = [base_offset_of(name.removesuffix(ending), LOG_SUFFIX) for name in outputs]
    stems = [path_of("", each, "")[1:] for each in bases if each is not None]
    pending = [f"{stem}{suffix}{SWAP_SUFFIX}" for stem in stems for suffix in INDEX_SUFFIXES]
    if found := [name for name in pending if name in names]:
        for name in found:
            _unlink(files, f"{directory}/{name}")
        files.sync_directory(directory)
    for name in outputs:
        _unlink(files, f"{directory}/{name}")


def recover(files: FileSystem, directory: str, names: list[str]) -> list[str]:
    """Undo or complete what a crash interrupted; the directory's names afterwards. While a log is opened.

    Raises OSError, DamagedLogError.
    """
    swaps = [name for name in names if name.endswith(SWAP_SUFFIX)]
    cleaned = [name for name in names if name.endswith(CLEANED_SUFFIX)]
    if not swaps and not cleaned:
        return names
    found = (base_offset_of(name.removesuffix(SWAP_SUFFIX), LOG_SUFFIX) for name in swaps)
    committed = [base_offset for base_offset in found if base_offset is not None]
    for base_offset in committed:
        _complete(files, directory, base_offset, names)
    for name in swaps:
        base_offset = int(name.partition(".")[0])
        if base_offset not in committed:
            _settle_index(files, directory, name, is_pending=_is_pending(base_offset, cleaned))
    if swaps:
        files.sync_directory(directory)  # While the `.log` is still `.cleaned` nothing else tells what an index is.
    for name in cleaned:
        _unlink(files, f"{directory}/{name}")
    return files.listdir(directory)


def _complete(files: FileSystem, directory: str, base_offset: int, names: list[str]) -> None:
    """From wherever after the commit it stopped. An index under its `.swap` name takes the old one's place."""
    path = path_of(directory, base_offset, LOG_SUFFIX)
    end_offset = _end_offset(files, path + SWAP_SUFFIX, base_offset)
    files.sync_directory(directory)
    for suffix in SEGMENT_SUFFIXES:
        for each in base_offsets(names, suffix):
            if base_offset < each < end_offset:
                _unlink(files, path_of(directory, each, suffix))
    for suffix in INDEX_SUFFIXES:
        _rename(files, path_of(directory, base_offset, suffix) + SWAP_SUFFIX, path_of(directory, base_offset, suffix))
    files.sync_directory(directory)
    _rename(files, path + SWAP_SUFFIX, path)
    files.sync_directory(directory)


def _settle_index(files: FileSystem, directory: str, name: str, *, is_pending: bool) -> None:
    """An index whose `.log` is not `.swap`: not yet, while that is `.cleaned`, else already under its name."""
    if is_pending:
        _unlink(files, f"{directory}/{name}")
    else:
        _rename(files, f"{directory}/{name}", f"{directory}/{name.removesuffix(SWAP_SUFFIX)}")


def _is_pending(base_offset: int, cleaned: Iterable[str]) -> bool:
    prefix = path_of("", base_offset, LOG_SUFFIX).removeprefix("/")
    return any(name.startswith(f"{prefix}.") for name in cleaned)


def _end_offset(files: FileSystem, path: str, base_offset: int) -> int:
    """After the last batch of a segment. Raises DamagedLogError: it was synced before it got its name."""
    fd, end_offset = files.open(path, 0), base_offset
    try:
        for _, header in BatchWalk(files, fd, files.size(fd), wait=True).batches(0):
            end_offset = header.last_offset + 1
    except MalformedBatchError as error:
        raise DamagedLogError(path, error.position, end_offset, error.reason) from error
    finally:
        files.close(fd)
    return end_offset


def _sync(files: FileSystem, path: str) -> None:
    fd = files.open(path, 0)
    try:
        files.datasync(fd)
    finally:
        files.close(fd)


def _rename(files: FileSystem, source: str, target: str) -> bool:
    """Whether there was anything to rename."""
    try:
        files.rename(source, target)
    except FileNotFoundError:
        return False
    return True


def _unlink(files: FileSystem, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        files.unlink(path)
