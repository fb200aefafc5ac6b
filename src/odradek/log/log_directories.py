"""The log directories of a broker: taking them, knowing whose they are, and what they can take right now.

`LogManager` adds the logs in them. A directory that fails is offline until a restart re-reads it; one that is full
refuses appends until there is room; the others go on.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from uuid import UUID

from odradek.host import Host
from odradek.log import remembered, space
from odradek.log.directory import LogDirectory, distrust_cache
from odradek.log.errors import DirectoryFailedError, DiskFullError, LogError
from odradek.log.health import DirectoryHealth
from odradek.log.life import Proof
from odradek.log.log import Log
from odradek.log.log_state import directory_of
from odradek.log.remembered import NOTHING_REMEMBERED, Remembered
from odradek.log.settings import LogSettings

logger = logging.getLogger(__name__)


class LogDirectories:
    """All of `log.dirs`, by path in `healths`."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop, settings: LogSettings) -> None:
        self.host = host
        self.files = host.files
        self.loop = loop
        self.settings = settings
        self.directories = [LogDirectory(host.files, path) for path in settings.log_dirs]
        self._new_ids = {each.path: UUID(int=host.random.getrandbits(128), version=4) for each in self.directories}
        self.healths: dict[str, DirectoryHealth] = {each.path: DirectoryHealth(each.path) for each in self.directories}
        self._to_remember = NOTHING_REMEMBERED
        self._remembering: asyncio.Future[None] | None = None
        self.on_failed: Callable[[str], None] = lambda path: None
        """Called with the path of a log directory that went offline."""
        self.on_resumed: Callable[[str], None] = lambda path: None
        """Called with the path of a log directory that has room again."""
        self.on_retry: Callable[[], None] = lambda: None
        """Called now and then while deletions wait for room, which they may only need a little of."""

    def lock(self, address: str) -> None:
        """Take every log directory and learn what was left there.

        Raises AlreadyRunningError, PropertiesError; DirectoryFailedError when none of the directories can be used.
        """
        for directory in self.directories:
            try:
                directory.lock(self.host.pid, address)
                directory.read_state(self.host.boot_id)
            except OSError as error:
                self.fail_directory(directory.path, f"cannot be opened: {error}")
        self._require_a_directory()

    def announce(self, address: str) -> None:
        """The address is known now: tell it to whoever tries to start a second broker here."""
        for directory in self._usable():
            try:
                directory.write_holder(self.host.pid, address)
            except OSError as error:
                self.fail_directory(directory.path, f"cannot be written: {error}")

    @property
    def directory_id(self) -> UUID:
        """Of the first log directory, from `lock` on: who holds it is the only process with this identity."""
        first = self.directories[0]
        return first.properties.directory_id if first.properties else self._new_ids[first.path]

    def cluster_id(self, node_id: int) -> str | None:
        """Which cluster the directories belong to, None when all are new; asked before that cluster hears of us.

        Raises PropertiesError when one is another node's.
        """
        for directory in self._usable():
            directory.require_node(node_id)
        return next((each.properties.cluster_id for each in self._usable() if each.properties is not None), None)

    def proof(self) -> Proof:
        """Since when nothing was lost in any of the directories: as far as they agree."""
        epochs = {directory.proof.epoch for directory in self.directories}
        incarnations = {directory.proof.incarnation for directory in self.directories}
        return Proof(epochs.pop() if len(epochs) == 1 else -1, incarnations.pop() if len(incarnations) == 1 else "")

    def remembered(self) -> Remembered:
        """What any of the directories knows of the metadata's history, the latest. Blocks."""
        found = []
        for directory in self._usable():
            try:
                found.append(remembered.read(self.files, directory.path))
            except OSError as error:
                self.fail_directory(directory.path, f"cannot be read: {error}")
        return max(found, key=lambda each: each.revision, default=NOTHING_REMEMBERED)

    def remember(self, what: Remembered) -> None:
        """Soon; while it is being written, only the latest waits."""
        self._to_remember = what
        if self._remembering is None:
            paths = tuple(directory.path for directory in self._usable())
            self._remembering = self.loop.run_in_executor(None, remembered.write_all, self.files, paths, what)
            self._remembering.add_done_callback(partial(self._has_remembered, what))

    def _has_remembered(self, what: Remembered, future: "asyncio.Future[None]") -> None:
        self._remembering = None
        future.result()
        if self._to_remember != what:
            self.remember(self._to_remember)

    @property
    def any_failed(self) -> bool:
        """Whether a log directory is offline, with partitions nobody can name."""
        return any(health.is_failed for health in self.healths.values())

    # -- what they can take ---------------------------------------------------------------------------------------

    def syncing_fd(self, path: str) -> int:
        """Of the file in which a log directory's syncs are noted, -1 while there is none."""
        return next((each.syncing_fd for each in self.directories if each.path == path), -1)

    def health_of(self, log: Log) -> DirectoryHealth:
        """Of the log directory in which the log is."""
        return self.healths[directory_of(log)]

    def write_failed(self, health: DirectoryHealth, error: LogError) -> None:
        """A write to the directory raised: no room, or the end of it."""
        if isinstance(error, DirectoryFailedError):
            self.fail_directory(health.path, str(error))
        elif isinstance(error, DiskFullError) and health.fill():
            logger.error("%s: appends are refused until there is room; reads go on", error)
            self.loop.run_in_executor(None, space.release_reserve, self.files, health.path)

    def write_took_long(self, health: DirectoryHealth, now: float, sleeps_before: int | None) -> None:
        """A write on the loop took longer than SLOW_WRITE_S; `FileSystem.sleeps` before it, if that was looked at.

        Where processes want more than the processors have, a write that waits for none but its turn takes as long as
        one that waits for the disk. Threads would make that worse.
        """
        if sleeps_before is not None and self.files.sleeps() != sleeps_before:
            self.write_stalled(health, now)
        health.watch(now)

    def write_stalled(self, health: DirectoryHealth, now: float) -> None:
        """A write took so long that the event loop must not make many like it."""
        if health.slow_write(now):
            logger.warning("writes to %s wait for the disk: writing through threads", health.path)

    def waits_since(self, before: float) -> bool:
        """Whether the disk has not ended a write that a log's writer has been waiting for since then (loop seconds)."""
        return any(since <= before for health in self.healths.values() for since in health.writes.values())

    def fail_directory(self, path: str, reason: str) -> None:
        """The directory goes offline until a restart re-reads it; nothing more is acknowledged from it."""
        if not self.healths[path].fail(reason):
            return
        logger.critical("log directory %s is offline: %s", path, reason)
        self._stop_writing(path, reason)
        self.loop.run_in_executor(None, distrust_cache, self.files, path)
        self.on_failed(path)

    def _stop_writing(self, path: str, reason: str) -> None:
        """The directory has just failed: forget what was to be written there."""

    def _usable(self) -> list[LogDirectory]:
        return [each for each in self.directories if self.healths[each.path].is_up]

    def _require_a_directory(self) -> None:
        if not self._usable():
            reasons = "; ".join(str(health.refusal) for health in self.healths.values())
            raise DirectoryFailedError(f"no log directory can be used: {reasons}")

    def _allocate_reserve(self, path: str) -> None:
        health = self.healths[path]
        health.reserve_bytes = space.reserve_size(self.files.space(path), self.settings.odradek_disk_reserve_bytes)
        if not space.allocate_reserve(self.files, path, health.reserve_bytes):
            health.fill()
            logger.error("%s is full: appends are refused until there is room; reads go on", path)
