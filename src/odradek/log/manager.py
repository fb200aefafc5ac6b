"""All logs of a broker, in all of its log directories.

The manager opens them, makes and deletes them, keeps their bytes on the way to stable storage and their offsets in
checkpoints. What blocks runs in the executor as a plain function of immutable arguments; the manager itself is touched
from the event loop only. One timer, once a second, drives everything periodic (`upkeep`): its cost is that of the logs
written since, not of all logs.

The parts: `log_directories` (all of `log.dirs`, what they can take), `registry` (which logs there are), `directory`
(lock, identity), `loading` (opening and recovery), `partition_files` (creation and deletion), `flusher` (group commit),
`upkeep` (background syncing, retention), `checkpointing`, `health` and `space` (disks that are full, slow or failing).
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from itertools import islice

from odradek.config import TopicConfig
from odradek.host import Host
from odradek.log.checkpointing import Checkpointer
from odradek.log.cleaning.cleaner import LogCleaner
from odradek.log.descriptors import Descriptors
from odradek.log.errors import DirectoryFailedError, LogError
from odradek.log.flusher import Flusher
from odradek.log.health import DirectoryHealth
from odradek.log.loading import LogLoader
from odradek.log.log import Log
from odradek.log.log_state import directory_of
from odradek.log.partition_directories import Made, PartitionDirectories
from odradek.log.partition_files import PartitionKey
from odradek.log.registry import LogKey as LogKey
from odradek.log.registry import LogOwner as LogOwner
from odradek.log.registry import LogRegistry
from odradek.log.settings import LogSettings
from odradek.log.storage import LogStorage
from odradek.log.upkeep import Upkeep
from odradek.log.writeback import Writeback

logger = logging.getLogger(__name__)

PRESSURE_S = 0.1
PRESSURE_LOGS = 64
"""While descriptors are short, so many logs are synced, so often at most."""


class LogManager(LogRegistry):
    """See the module. Order of use: `lock`, `load`, `start`, ..., `stop` (or `abandon`)."""

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, settings: LogSettings, default_config: TopicConfig
    ) -> None:
        super().__init__(host, loop, settings)
        self.default_config = default_config
        self.now = loop.time
        self.time_ms = host.clock.time_ms
        self.descriptors = Descriptors(host.files, min(settings.odradek_open_files_max, host.descriptors_max // 2))
        self.storage = LogStorage(host.files, self.descriptors, host.random, self.mark_dirty)
        self.dirty: dict[Log, float] = {}
        """Logs with bytes that are not on stable storage, and since when (loop seconds)."""
        self.candidates: dict[Log, None] = {}
        """Logs that hold anything retention could remove."""
        self._retaining: dict[Log, None] = {}
        """Candidates to look at again once they are flushed."""
        self.flusher = Flusher(host.files, loop, self._flushed, self._flush_failed, self.syncing_fd)
        self.checkpointer = Checkpointer(self)
        self.upkeep = Upkeep(self)
        self.cleaner = LogCleaner(self, settings.cleaner)
        self._writeback = Writeback(self)
        self.descriptors.on_pressure = self._flush_oldest
        self._flushed_oldest = float("-inf")
        self.producer_id_expiration_ms = settings.producer_id_expiration_ms
        """Dynamic: set anew when the broker's configuration changes."""
        self._partition_directories = PartitionDirectories(self)

    # -- life cycle -----------------------------------------------------------------------------------------------

    def identify(self, cluster_id: str, node_id: int) -> None:
        """Write into each directory whose it is, durable on return; nothing when that is known.

        Raises PropertiesError; DirectoryFailedError when no directory is left.
        """
        for directory in self._usable():
            try:
                directory.identify(cluster_id, node_id, self._new_ids[directory.path])
            except OSError as error:
                self.fail_directory(directory.path, f"cannot be written: {error}")
        self._require_a_directory()

    def begin_life(self, incarnation: str) -> None:
        """Leave the name under which this process registers. Raises DirectoryFailedError: no directory is left."""
        for directory in self._usable():
            try:
                directory.begin_life(self.host.boot_id, incarnation)
            except OSError as error:
                self.fail_directory(directory.path, f"cannot be written: {error}")
        self._require_a_directory()

    async def load(self, cluster_id: str, node_id: int) -> None:
        """Identify the directories, open every log, recover where the last stop was not clean.

        Raises PropertiesError; DirectoryFailedError when no directory is left.
        """
        self.identify(cluster_id, node_id)
        loader = LogLoader(self)
        for directory in self._usable():
            try:
                await loader.load(directory)
                directory.begin_writing(self.host.boot_id)
                self._allocate_reserve(directory.path)
            except (OSError, DirectoryFailedError) as error:
                self.fail_directory(directory.path, f"cannot be loaded: {error}")
        self._require_a_directory()

    def start(self) -> None:
        """Begin upkeep; appends may come."""
        self.upkeep.start()
        self.cleaner.start()

    async def stop(self, broker_epoch: int = -1) -> None:
        """Sync everything, write the checkpoints and the clean-stop markers, release the directories."""
        await self.cleaner.stop()
        await self.upkeep.stop()
        await self._sync_everything()
        written = await self.upkeep.checkpoint_recovery_points(is_last=True)
        starts_written = await self.upkeep.checkpoint_start_offsets()
        if any(log.cleaned_offset >= 0 for log in self.logs.values()):
            await self.upkeep.checkpoint_cleaner_offsets()
        await self.upkeep.checkpoint_high_watermarks()
        unclean = self._unclean_directories()
        for directory in self._usable():
            path = directory.path
            if path in unclean or path not in written or path not in starts_written:
                continue
            try:
                directory.mark_clean(broker_epoch, written[path])
            except OSError as error:
                self.fail_directory(directory.path, f"cannot be written: {error}")
        self.abandon()

    def abandon(self) -> None:
        """Release the directories without a word about a clean stop."""
        self.descriptors.close()
        for directory in self.directories:
            directory.close(is_syncing=self.flusher.is_busy)

    # -- logs -----------------------------------------------------------------------------------------------------

    def directories_by_key(self) -> dict[LogKey, str]:
        """Where every partition is, those that are damaged or whose deletion was refused included."""
        refused = {key: f"{each.path}/{each.name}" for key, each in self._partition_directories.refused.items()}
        return {**refused, **{key: log.directory for key, log in self.logs.items()}}

    @property
    def has_refused_deletions(self) -> bool:
        """A full disk let nobody rename some partitions: `on_retry` is called now and then, to delete them again."""
        return bool(self._partition_directories.refused)

    async def create(self, keys: Sequence[PartitionKey], config: TopicConfig) -> Made:
        """Make the partitions' directories, durable on return, and open their logs.

        A key's exception is ForeignDirectoryError, DiskFullError or DirectoryFailedError.
        """
        return await self._partition_directories.create(keys, config)

    async def delete(self, keys: Iterable[LogKey]) -> bool:
        """Nobody sees the logs any more, durable on return; their files are removed after file.delete.delay.ms.

        False when a failed directory may bring one of them back.
        """
        return await self._partition_directories.delete(keys)

    async def set_aside_strays(self, keys: Iterable[LogKey]) -> None:
        """Rename logs that metadata does not know; they are kept."""
        await self._partition_directories.set_aside_strays(keys)

    def adopt(self, log: Log) -> None:
        """An opened log becomes one of ours; there is never a second one over the same files."""
        assert (log.topic_id, log.partition) not in self.logs, log.directory
        self.logs[log.topic_id, log.partition] = log
        self.health_of(log).partitions += 1
        if log.size_bytes:
            self.candidates[log] = None
        if log.recovery_point < log.log_end_offset:
            self.dirty[log] = self.now()

    def drop(self, log: Log) -> None:
        """The log is no longer ours: it is being deleted or set aside. Its files stay."""
        del self.logs[log.topic_id, log.partition]
        self.damaged.pop((log.topic_id, log.partition), None)
        self.health_of(log).partitions -= 1
        self.flusher.forget(log)
        self.cleaner.forget(log)
        self.dirty.pop(log, None)
        self.candidates.pop(log, None)
        self._retaining.pop(log, None)
        self.owners.pop(log, None)
        self.found_high_watermarks.pop(log, None)
        log.close()

    def retain(self, log: Log) -> None:
        """Delete the log's oldest segment if retention lets it go, and the next ones after a flush each.

        Its owner is told when its start has moved.
        """
        if log.damage is not None or self.health_of(log).is_failed:
            return
        start_offset = log.log_start_offset
        try:
            removed = log.delete_old_segments(self.time_ms(), upper_offset=self.high_watermark_of(log), durably=True)
        except LogError as error:
            self.write_failed(self.health_of(log), error)
            return
        for path in removed:
            self.upkeep.remove_later(path, log.config.file_delete_delay_ms)
        if log.log_start_offset != start_offset:
            self.log_start_moved(log)
        if log.durable_base_offset < log.active.base_offset:
            self._retaining[log] = None
            self.flusher.request(log, everything=True)
        elif not log.size_bytes:
            self.candidates.pop(log, None)

    def recovery_point_stored(self, log: Log, recovery_point: int) -> None:
        """Its checkpoint is durable: what only an earlier one needed goes."""
        try:
            log.recovery_point_stored(recovery_point)
        except OSError as error:
            self.fail_directory(directory_of(log), f"removing snapshots: {error}")

    def log_start_moved(self, log: Log) -> None:
        """After retention or DeleteRecords."""
        self.checkpointer.starts_changed = True
        if (owner := self.owners.get(log)) is not None:
            owner.log_start_moved()

    # -- writing --------------------------------------------------------------------------------------------------

    def mark_dirty(self, log: Log) -> None:
        """The log has bytes that are not on stable storage (called by the log, once until it is flushed)."""
        self.dirty.setdefault(log, self.now())
        self.candidates[log] = None

    def start_writeback(self, health: DirectoryHealth) -> None:
        """Let the kernel begin to write, so that no later write has to wait for a mountain of dirty pages."""
        health.unwritten_bytes = 0
        self._writeback.start(health.path)

    def _flushed(self, log: Log) -> None:
        if log.flushed_offset < log.log_end_offset:
            self.dirty[log] = self.now()
        elif log.recovery_point == log.log_end_offset:
            self.dirty.pop(log, None)
        self.checkpointer.recovery_points_changed = True
        if (owner := self.owners.get(log)) is not None:
            owner.flushed()
        if log in self._retaining:
            del self._retaining[log]
            self.retain(log)

    def _stop_writing(self, path: str, reason: str) -> None:
        for log in [log for log in self.logs.values() if directory_of(log) == path]:
            self.flusher.forget(log)
            self.dirty.pop(log, None)
            self.candidates.pop(log, None)
            self._retaining.pop(log, None)
            if (owner := self.owners.get(log)) is not None:
                owner.directory_failed(reason)

    def _flush_failed(self, log: Log, error: DirectoryFailedError) -> None:
        self.fail_directory(directory_of(log), str(error))

    def _flush_oldest(self) -> None:
        """Too many descriptors are kept open by unsynced bytes: sync those that have waited longest."""
        now = self.now()
        if now - self._flushed_oldest >= PRESSURE_S:
            self._flushed_oldest = now
            for log in list(islice(self.dirty, PRESSURE_LOGS)):
                self.flusher.request(log, everything=True)

    async def _sync_everything(self) -> None:
        for log in self.logs.values():
            is_readable_only = log.damage is not None or self.health_of(log).is_failed
            if is_readable_only or not (log in self.dirty or log.needs_seal):
                continue
            try:
                log.seal()
            except LogError as error:
                self.write_failed(self.health_of(log), error)
            else:
                self.flusher.request(log, everything=True)
        await self.flusher.drain()
