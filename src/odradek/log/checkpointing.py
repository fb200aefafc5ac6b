"""Writing the checkpoints of all log directories: each file by one writer at a time, in the executor.

The inventory goes before the recovery points it belongs to. A crash in between leaves one that does not, and is not
used: what it says would only be of use if something were damaged at that very moment.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from odradek.host.files import FileSystem, write_atomically
from odradek.log import checkpoints, inventory
from odradek.log.errors import disk_error
from odradek.log.inventory import INVENTORY, Kind, line_of, listing_of
from odradek.log.log import Log
from odradek.log.log_state import directory_of

if TYPE_CHECKING:
    from odradek.log.manager import LogManager

Entries = tuple[tuple[checkpoints.TopicPartition, int], ...]


class CheckpointFile(NamedTuple):
    """A checkpoint to write, and the lines of the inventory that goes with it, None for the others."""

    directory: str
    name: str
    entries: Entries
    lines: tuple[str, ...] | None = None


class Written(dict[str, str]):
    """Log directories a checkpoint was written in, with the identity of the inventory that went with it."""


class Checkpointer:
    """Part of `LogManager`."""

    def __init__(self, manager: "LogManager") -> None:
        self._manager = manager
        self._turns = {name: asyncio.Lock() for name in checkpoints.WRITTEN}
        """The timer, deletions and a stop use the same temporary files."""
        self._lines: dict[Log, tuple[tuple[int, int, Kind], str]] = {}
        """Lines of the inventory, and what they were made of: those of 10,000 logs are not made anew each minute."""
        self.loaded: dict[str, None] = {}
        """Log directories whose checkpoints may be written: all of their logs are known."""
        self.starts_changed = False
        self.recovery_points_changed = False
        self.appended = False
        """Since the high watermarks were last written."""

    async def recovery_points(self, *, is_last: bool = False) -> Written:
        """Write what is certainly on stable storage; recovery starts from there.

        `is_last`: before a clean stop, when nothing will be written any more.
        """
        manager = self._manager
        async with self._turns[checkpoints.RECOVERY_POINT]:
            self.recovery_points_changed = False
            intact = [log for log in manager.logs.values() if log.damage is None]
            stored = {log: log.recovery_point for log in intact if len(log.snapshot_offsets) > 1}
            lines = self._inventories(is_last=is_last)
            written = await self._write(checkpoints.RECOVERY_POINT, lambda log: log.recovery_point, lines)
        for log, recovery_point in stored.items():
            if directory_of(log) in written and manager.get(log.topic_id, log.partition) is log:
                manager.recovery_point_stored(log, recovery_point)
        return written

    async def start_offsets(self) -> Written:
        """Write log start offsets, of logs that have lost their beginning."""
        async with self._turns[checkpoints.LOG_START_OFFSET]:
            self.starts_changed = False
            return await self._write(checkpoints.LOG_START_OFFSET, _start_offset)

    async def high_watermarks(self) -> Written:
        """Write how far each partition was committed."""
        async with self._turns[checkpoints.HIGH_WATERMARK]:
            self.appended = False
            return await self._write(checkpoints.HIGH_WATERMARK, self._manager.high_watermark_of)

    async def cleaner_offsets(self) -> Written:
        """Write where the last cleaning of each compacted log ended."""
        async with self._turns[checkpoints.CLEANER_OFFSET]:
            return await self._write(checkpoints.CLEANER_OFFSET, _cleaned_offset)

    def _inventories(self, *, is_last: bool) -> dict[str, list[str]]:
        """Lines by log directory."""
        known, self._lines = self._lines, {}
        lines: dict[str, list[str]] = {path: [] for path in self.loaded}
        for key, log in self._manager.logs.items():
            if (wanted := lines.get(directory_of(log))) is None:
                continue
            if log.damage is not None:
                listing = self._manager.damaged[key].listing
                if listing is not None:
                    wanted.append(_line(log, listing._replace(kind=Kind.DAMAGED)))
            elif is_last:
                wanted.append(_line(log, listing_of(log, is_last=True)))
            else:
                wanted.append(self._running_line(log, known))
        return lines

    def _running_line(self, log: Log, known: dict[Log, tuple[tuple[int, int, Kind], str]]) -> str:
        made_of = (log.generation, inventory.closed_count(log), inventory.kind_of(log))
        if (line := known.get(log)) is None or line[0] != made_of:
            line = made_of, _line(log, listing_of(log, is_last=False))
        self._lines[log] = line
        return line[1]

    async def _write(
        self, name: str, offset_of: Callable[[Log], int | None], lines: dict[str, list[str]] | None = None
    ) -> Written:
        manager = self._manager
        offsets = {path: dict(manager.kept(path, name)) for path in self.loaded if manager.healths[path].is_up}
        for log in manager.logs.values():
            if log.damage is not None:
                continue  # As it was found: see `kept`.
            if (wanted := offsets.get(directory_of(log))) is not None and (offset := offset_of(log)) is not None:
                wanted[log.topic, log.partition] = offset
        files = tuple(
            CheckpointFile(path, name, tuple(entries.items()), None if lines is None else tuple(lines[path]))
            for path, entries in offsets.items()
        )
        outcomes = await manager.loop.run_in_executor(None, write_checkpoints, manager.files, files)
        written = Written()
        for file, outcome in zip(files, outcomes, strict=True):
            if isinstance(outcome, OSError):
                failure = disk_error(outcome, f"writing {name} of {file.directory}")
                manager.write_failed(manager.healths[file.directory], failure)
            else:
                written[file.directory] = outcome
        return written


def write_checkpoints(files: FileSystem, wanted: tuple[CheckpointFile, ...]) -> list[OSError | str]:
    """Write each; for each the identity of its inventory (empty without one), or its error. Runs in the executor."""
    outcomes: list[OSError | str] = []
    for each in wanted:
        try:
            outcomes.append(_write_one(files, each))
        except OSError as error:
            outcomes.append(error)
    return outcomes


def _write_one(files: FileSystem, wanted: CheckpointFile) -> str:
    content, identity = checkpoints.render_offsets(dict(wanted.entries)), ""
    if wanted.lines is not None:
        listed, identity = inventory.make(wanted.lines, content)
        write_atomically(files, f"{wanted.directory}/{INVENTORY}", listed)
    write_atomically(files, f"{wanted.directory}/{wanted.name}", content)
    return identity


def _line(log: Log, listing: inventory.Listing) -> str:
    return line_of((log.topic, log.partition, log.topic_id), listing)


def _cleaned_offset(log: Log) -> int | None:
    return log.cleaned_offset if log.cleaned_offset >= 0 else None


def _start_offset(log: Log) -> int | None:
    """Also when the first segment begins there: the removal of those before it may not be durable yet."""
    return log.log_start_offset or None
