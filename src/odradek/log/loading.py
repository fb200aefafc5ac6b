"""Opening the logs of one log directory: at once after a clean stop, through recovery after a crash.

After a clean stop nothing is read but names and partition.metadata. Recovery runs in the executor, some logs a call and
some calls at a time, each with descriptors of its own; a recovered log is then handed to the manager.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from odradek.host.files import FileSystem
from odradek.log import checkpoints, partition_files
from odradek.log.descriptors import Descriptors
from odradek.log.directory import LogDirectory
from odradek.log.errors import DamagedLogError, LogError
from odradek.log.inventory import Listing
from odradek.log.log import Log
from odradek.log.opening import Stop
from odradek.log.partition_files import PartitionKey
from odradek.log.storage import LogStorage
from odradek.log.tasks import OpenTask, open_tasks, readable_offsets, stop_of

if TYPE_CHECKING:
    from odradek.config import TopicConfig
    from odradek.log.manager import LogManager

logger = logging.getLogger(__name__)

RECOVER_LOGS_PER_CALL = 16
RECOVERY_DESCRIPTORS = 64
PROGRESS_S = 5.0
OPEN_LOGS_PER_TURN = 256
"""After so many the event loop gets its turn."""


@dataclass(frozen=True, slots=True)
class DamagedPartition:
    """Its directory, topic and partition, what is wrong, and what checkpoints and inventory say of it."""

    path: str
    place: checkpoints.TopicPartition
    reason: str
    offsets: dict[str, int]
    listing: Listing | None
    """What it consisted of before."""


class LogLoader:
    """Fills the manager's `logs` and `damaged`."""

    def __init__(self, manager: "LogManager") -> None:
        self._manager = manager

    async def load(self, directory: LogDirectory) -> None:
        """Open everything in the directory. Raises DuplicateLogError, DirectoryFailedError, OSError."""
        found = partition_files.scan(self._manager.files, directory.path)
        self._clean_up(directory, found)
        tasks = open_tasks(directory, found.partitions)
        if directory.clean:
            await self._open_clean(tasks)
        else:
            await self._recover(directory, tasks)
        self._manager.checkpointer.loaded[directory.path] = None
        await self._forget_absent(directory, found.partitions)

    async def _forget_absent(self, directory: LogDirectory, keys: Sequence[PartitionKey]) -> None:
        """An entry of a partition that is gone would be applied to the next one of its name: drop it before that."""
        present = {(key.topic, key.partition): None for key in keys}
        if any(place not in present for name in checkpoints.WRITTEN for place in readable_offsets(directory, name)):
            await self._manager.upkeep.checkpoint_recovery_points()
            await self._manager.upkeep.checkpoint_start_offsets()
            await self._manager.upkeep.checkpoint_cleaner_offsets()
            await self._manager.upkeep.checkpoint_high_watermarks()

    def _clean_up(self, directory: LogDirectory, found: partition_files.Scan) -> None:
        for name in found.deleted:
            self._manager.upkeep.remove_later(directory.file(name), 0)
        for name in found.incomplete:
            partition_files.remove(self._manager.files, directory.file(name))
        for name in found.unidentified:
            logger.error("%s has no readable topic id and is not opened", directory.file(name))

    async def _open_clean(self, tasks: Sequence[OpenTask]) -> None:
        manager = self._manager
        now_ms = manager.time_ms()
        for count, task in enumerate(tasks, 1):
            self._take(task, open_log(manager.storage, task, manager.default_config, now_ms, Stop.CLEAN))
            if count % OPEN_LOGS_PER_TURN == 0:
                await asyncio.sleep(0)

    async def _recover(self, directory: LogDirectory, tasks: Sequence[OpenTask]) -> None:
        if tasks:
            logger.info("recovering %d logs of %s after an unclean stop", len(tasks), directory.path)
        progress = _Progress(self._manager, directory.path, len(tasks))
        step = RECOVER_LOGS_PER_CALL
        by_stop: dict[Stop, list[OpenTask]] = {}
        for task in tasks:
            by_stop.setdefault(stop_of(directory, task.key), []).append(task)
        chunks = iter(
            [(stop, tuple(some[at : at + step])) for stop, some in by_stop.items() for at in range(0, len(some), step)]
        )
        parallel = self._manager.settings.num_recovery_threads_per_data_dir
        await asyncio.gather(*(self._recover_chunks(chunks, progress) for _ in range(parallel)))

    async def _recover_chunks(self, chunks: Iterator[tuple[Stop, tuple[OpenTask, ...]]], progress: "_Progress") -> None:
        manager = self._manager
        for stop, chunk in chunks:
            recovered = await manager.loop.run_in_executor(
                None,
                recover_logs,
                manager.files,
                manager.host.random,
                chunk,
                manager.default_config,
                manager.time_ms(),
                stop,
            )
            for task, log in zip(chunk, recovered, strict=True):
                self._take(task, log)
            progress.advance(len(chunk))

    def _take(self, task: OpenTask, opened: Log | LogError) -> None:
        """Hand an opened log to the manager, or note why there is none.

        A creation that failed half-way and was repeated elsewhere leaves an empty second directory: it is not used.
        """
        manager, key = self._manager, (task.key.topic_id, task.key.partition)
        if (other := manager.logs.get(key)) is not None:
            if isinstance(opened, LogError) or (_holds_anything(opened) and _holds_anything(other)):
                raise DuplicateLogError(f"{task.path} and {other.directory} hold the same partition: remove one")
            empty = other if _holds_anything(opened) else opened
            logger.warning("%s is empty and not used: another directory holds the partition", empty.directory)
            if empty is opened:
                return
            manager.drop(other)
        if isinstance(opened, LogError):
            raise opened
        if opened.damage is not None:
            logger.error("%s is read-only until `odradek log repair`: %s", task.path, opened.damage)
            manager.damaged[key] = _damaged_partition(task, opened.damage)
        opened.cleaned_offset = task.cleaned_offset
        hand_over(opened, manager.storage)
        manager.adopt(opened)
        if task.high_watermark >= 0:
            kept = min(task.high_watermark, opened.log_end_offset)
            manager.found_high_watermarks[opened] = max(kept, opened.log_start_offset)


class DuplicateLogError(Exception):
    """Two log directories hold the same partition of the same topic id."""


class _Progress:
    """Says now and then how far a long recovery is."""

    def __init__(self, manager: "LogManager", path: str, total: int) -> None:
        self._manager = manager
        self._path = path
        self._total = total
        self._done = 0
        self._next = manager.now() + PROGRESS_S

    def advance(self, count: int) -> None:
        self._done += count
        if self._manager.now() >= self._next:
            self._next = self._manager.now() + PROGRESS_S
            logger.info("recovered %d of %d logs of %s", self._done, self._total, self._path)


def _holds_anything(log: Log) -> bool:
    return log.log_end_offset > 0 or log.damage is not None


def _damaged_partition(task: OpenTask, damage: DamagedLogError) -> DamagedPartition:
    offsets = {
        checkpoints.RECOVERY_POINT: task.recovery_point,
        checkpoints.LOG_START_OFFSET: task.log_start_offset,
        checkpoints.HIGH_WATERMARK: max(task.high_watermark, task.log_start_offset),
        checkpoints.CLEANER_OFFSET: max(task.cleaned_offset, 0),
    }
    return DamagedPartition(task.path, (task.key.topic, task.key.partition), str(damage), offsets, task.listing)


def open_log(storage: LogStorage, task: OpenTask, config: "TopicConfig", now_ms: int, stop: Stop) -> Log | LogError:
    """Open one log, of a damaged one what can be read; what it raised is returned."""
    key = task.key
    try:
        return Log.open(
            storage,
            task.path,
            topic=key.topic,
            partition=key.partition,
            topic_id=key.topic_id,
            config=config,
            now_ms=now_ms,
            log_start_offset=task.log_start_offset,
            recovery_point=task.recovery_point,
            stop=stop,
            listing=task.listing,
        )
    except DamagedLogError as damage:
        return _open_intact(storage, task, config, damage)
    except LogError as error:
        return error


def _open_intact(storage: LogStorage, task: OpenTask, config: "TopicConfig", damage: DamagedLogError) -> Log | LogError:
    key = task.key
    try:
        log = Log.open_intact(
            storage,
            task.path,
            topic=key.topic,
            partition=key.partition,
            topic_id=key.topic_id,
            config=config,
            damage=damage,
        )
    except LogError as error:
        return error
    log.log_start_offset = min(max(log.log_start_offset, task.log_start_offset), log.log_end_offset)
    return log


def recover_logs(
    files: FileSystem, random: Random, tasks: tuple[OpenTask, ...], config: "TopicConfig", now_ms: int, stop: Stop
) -> list[Log | LogError]:
    """Open and repair logs that nobody else knows yet. Runs in the executor."""
    descriptors = Descriptors(files, RECOVERY_DESCRIPTORS)
    storage = LogStorage(files, descriptors, random)
    try:
        return [open_log(storage, task, config, now_ms, stop) for task in tasks]
    finally:
        descriptors.close()


def hand_over(log: Log, storage: LogStorage) -> None:
    """From here on the log uses the broker's descriptors."""
    log.storage = storage
    for segment in log.segments:
        segment.storage = storage
        segment.handle = None
