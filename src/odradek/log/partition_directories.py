"""Making partitions' directories and setting them aside, for the manager: where they go, and what is durable when.

What blocks runs in the executor in chunks; errors are the answer for a partition, or the end of its log directory.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from odradek.host.files import FileSystem
from odradek.log import partition_files
from odradek.log.directory_names import DELETED_SUFFIX, STRAY_SUFFIX, set_aside_name
from odradek.log.errors import DirectoryFailedError, DiskFullError, LogError, disk_error
from odradek.log.log import Log
from odradek.log.partition_files import ForeignDirectoryError, PartitionKey

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.log.manager import LogKey, LogManager

CREATE_CHUNK = 32
"""Directories made by one executor call ..."""
CREATE_PARALLEL = 4
"""... and calls at a time: the file system's journal takes their syncs together."""

Made = dict[PartitionKey, Log | Exception]


class Leaving(NamedTuple):
    """A partition's log directory, name, the name it is to get, and when its files may go after that."""

    path: str
    name: str
    target: str
    delay_ms: int


class PartitionDirectories:
    """Part of `LogManager`."""

    def __init__(self, manager: "LogManager") -> None:
        self._manager = manager
        self.refused: dict[LogKey, Leaving] = {}
        """Partitions of ours no more, whose directories a full disk lets nobody rename."""

    async def create(self, keys: Sequence[PartitionKey], config: "TopicConfig") -> Made:
        """Make the partitions' directories, durable on return, and open their logs.

        A key's exception is ForeignDirectoryError, DiskFullError or DirectoryFailedError.
        """
        made: Made = {}
        chunks = [
            (path, tuple(placed[begin : begin + CREATE_CHUNK]))
            for path, placed in self._place(keys, made).items()
            for begin in range(0, len(placed), CREATE_CHUNK)
        ]
        waiting = iter(chunks)
        await asyncio.gather(*(self._create_chunks(waiting, config, made) for _ in chunks[:CREATE_PARALLEL]))
        return {key: made[key] for key in keys}

    async def _create_chunks(
        self, chunks: Iterator[tuple[str, tuple[PartitionKey, ...]]], config: "TopicConfig", made: Made
    ) -> None:
        """One of several that take the next chunk each: while one opens its logs, the others wait for the disk."""
        for path, keys in chunks:
            made.update(await self._create_chunk(path, keys, config))

    async def delete(self, keys: Iterable["LogKey"]) -> bool:
        """Nobody sees the logs any more, durable on return; their files are removed after file.delete.delay.ms.

        False when a failed directory may bring one of them back.
        """
        return await self._set_aside(keys, DELETED_SUFFIX)

    async def set_aside_strays(self, keys: Iterable["LogKey"]) -> None:
        """Rename logs that metadata does not know; they are kept."""
        await self._set_aside(keys, STRAY_SUFFIX)

    def _place(self, keys: Sequence[PartitionKey], made: Made) -> dict[str, list[PartitionKey]]:
        """Directories by number of partitions, the least used first; keys that can go nowhere get their error."""
        healths = self._manager.healths
        counts = {path: health.partitions for path, health in healths.items() if health.refusal is None}
        placed: dict[str, list[PartitionKey]] = {}
        for key in keys:
            if not counts:
                made[key] = self._refusal()
                continue
            path = min(counts, key=counts.__getitem__)
            counts[path] += 1
            placed.setdefault(path, []).append(key)
        return placed

    def _refusal(self) -> LogError:
        for health in self._manager.healths.values():
            if health.is_full:
                return DiskFullError(f"no space left for {health.path}")
        return DirectoryFailedError("every log directory is offline")

    async def _create_chunk(self, path: str, keys: tuple[PartitionKey, ...], config: "TopicConfig") -> Made:
        errors = await self._manager.loop.run_in_executor(None, create_directories, self._manager.files, path, keys)
        made: Made = {}
        for key, error in zip(keys, errors, strict=True):
            if isinstance(error, OSError):
                failure = disk_error(error, f"creating {path}/{key.name}")
                self._manager.write_failed(self._manager.healths[path], failure)
                made[key] = failure
            else:
                made[key] = error or self._open_new(path, key, config)
        return made

    def _open_new(self, path: str, key: PartitionKey, config: "TopicConfig") -> Log | Exception:
        try:
            log = Log.open(
                self._manager.storage,
                f"{path}/{key.name}",
                topic=key.topic,
                partition=key.partition,
                topic_id=key.topic_id,
                config=config,
                now_ms=self._manager.time_ms(),
            )
        except LogError as error:
            self._manager.write_failed(self._manager.healths[path], error)
            return error
        self._manager.adopt(log)
        return log

    async def _set_aside(self, keys: Iterable["LogKey"], suffix: str) -> bool:
        renames: dict[str, dict[LogKey, Leaving]] = {}
        keys = tuple(keys)
        was_refused = any(key in self.refused for key in keys)
        logs = [log for key in keys if (log := self._manager.logs.get(key)) is not None]
        for key in keys:
            if (leaving := self.refused.pop(key, None) or self._let_go(key, suffix)) is not None:
                renames.setdefault(leaving.path, {})[key] = leaving
        await self._manager.flusher.let_go(logs)
        for log in logs:
            await self._manager.cleaner.let_go(log)
        is_certain = True
        for path, some in renames.items():
            is_certain &= await self._rename(path, some)
        if renames:  # What the checkpoints say of these would else be applied to the next partition of the name.
            await self._manager.upkeep.checkpoint_recovery_points()
            await self._manager.upkeep.checkpoint_start_offsets()
            await self._manager.upkeep.checkpoint_high_watermarks()
            if any(log.cleaned_offset >= 0 for log in logs):
                await self._manager.upkeep.checkpoint_cleaner_offsets()
        if was_refused:  # Others of the same topic may have been in a directory that has failed since.
            return is_certain and not self._manager.any_failed
        return is_certain and not any(self._manager.healths[path].is_failed for path in renames)

    async def _rename(self, path: str, leaving: dict["LogKey", "Leaving"]) -> bool:
        """Whether the partitions of one log directory have durably lost their names."""
        manager, health = self._manager, self._manager.healths[path]
        if health.is_failed:
            return False
        pairs = tuple((each.name, each.target) for each in leaving.values())
        error = await manager.loop.run_in_executor(None, rename_all, manager.files, path, pairs)
        if error is not None:
            failure = disk_error(error, "renaming partitions")
            manager.write_failed(health, failure)
            if isinstance(failure, DiskFullError):
                self.refused.update(leaving)
            return False
        for each in leaving.values():
            if each.target.endswith(DELETED_SUFFIX):
                manager.upkeep.remove_later(f"{path}/{each.target}", each.delay_ms)
        return True

    def _let_go(self, key: "LogKey", suffix: str) -> "Leaving | None":
        """The log is no longer ours."""
        manager = self._manager
        if (log := manager.logs.get(key)) is not None:
            manager.drop(log)
            path, _, name = log.directory.rpartition("/")
            target = set_aside_name(name, manager.host.random.randbytes(16).hex(), suffix)
            return Leaving(path, name, target, log.config.file_delete_delay_ms)
        return None


def create_directories(
    files: FileSystem, path: str, keys: tuple[PartitionKey, ...]
) -> list[OSError | ForeignDirectoryError | None]:
    """Make partitions' directories; for each key None, or its error. Runs in the executor."""
    try:
        return list(partition_files.create(files, path, keys))
    except OSError as error:
        return [error] * len(keys)


def rename_all(files: FileSystem, path: str, renames: tuple[tuple[str, str], ...]) -> OSError | None:
    """None, or why the renames may not be durable. Runs in the executor."""
    try:
        partition_files.set_aside(files, path, renames)
    except OSError as error:
        return error
    return None
