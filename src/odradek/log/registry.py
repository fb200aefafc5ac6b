"""Which logs a broker has, where, in what state, and who owns each."""

import asyncio
from typing import Protocol
from uuid import UUID

from odradek.host import Host
from odradek.log.checkpoints import RECOVERY_POINT, Offsets
from odradek.log.loading import DamagedPartition
from odradek.log.log import Log
from odradek.log.log_directories import LogDirectories
from odradek.log.log_state import directory_of
from odradek.log.settings import LogSettings

LogKey = tuple[UUID, int]
"""Topic id and partition."""


class LogOwner(Protocol):
    """Who is told what becomes of a log: its `Partition`."""

    @property
    def high_watermark(self) -> int: ...

    @property
    def last_stable_offset(self) -> int: ...

    def flushed(self) -> None:
        """`log.flushed_offset` has moved."""
        ...

    def log_start_moved(self) -> None:
        """`log.log_start_offset` has moved."""
        ...

    def directory_failed(self, message: str) -> None:
        """The log's directory is offline."""
        ...


class LogRegistry(LogDirectories):
    """What is known of all logs; `LogManager` does something with them."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, settings: LogSettings) -> None:
        super().__init__(host, loop, settings)
        self.logs: dict[LogKey, Log] = {}
        self.damaged: dict[LogKey, DamagedPartition] = {}
        """Partitions that can only be read, as far as they are intact: their `Log.damage` is set."""
        self.owners: dict[Log, LogOwner] = {}
        self.found_high_watermarks: dict[Log, int] = {}
        """Of logs without an owner yet: how far they were committed, by checkpoint, as far as they still reach."""

    def get(self, topic_id: UUID, partition: int) -> Log | None:
        """The open log of a partition."""
        return self.logs.get((topic_id, partition))

    def known_end_offset(self, log: Log) -> int:
        """Where the log ends; of a damaged one, up to where records are known to have been."""
        damaged = self.damaged.get((log.topic_id, log.partition))
        return log.log_end_offset if damaged is None else max(log.log_end_offset, damaged.offsets[RECOVERY_POINT])

    def attach(self, log: Log, owner: LogOwner) -> None:
        """From now on the owner hears of what becomes of the log, and is asked for its high watermark."""
        self.owners[log] = owner
        self.found_high_watermarks.pop(log, None)

    def kept(self, path: str, checkpoint: str) -> Offsets:
        """A checkpoint's entries of the directory's damaged partitions: they say below what nothing may be cut."""
        damaged = [each for each in self.damaged.values() if each.path.startswith(f"{path}/")]
        return {each.place: each.offsets[checkpoint] for each in damaged}

    def high_watermark_of(self, log: Log) -> int | None:
        """For a log that nobody leads or follows yet that of the checkpoint; None for a new one."""
        owner = self.owners.get(log)
        return self.found_high_watermarks.get(log) if owner is None else owner.high_watermark

    def stable_offset_of(self, log: Log) -> int:
        """Below it everything is committed and decided: of a log nobody leads or follows yet, all there is."""
        owner = self.owners.get(log)
        return log.log_end_offset if owner is None else min(owner.high_watermark, owner.last_stable_offset)

    def _unclean_directories(self) -> dict[str, None]:
        """Those with logs that the next start has to scan: not all synced, or damaged."""
        unsynced = [directory_of(log) for log in self.logs.values() if log.recovery_point != log.log_end_offset]
        damaged = [directory_of(log) for log in self.logs.values() if log.damage is not None]
        return dict.fromkeys((*unsynced, *damaged))
