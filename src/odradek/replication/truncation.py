"""Cutting followers' logs: what was not the leader's goes, and cannot come back behind what is appended then.

In this order: a recovery point that does not reach beyond the cut is made durable, then the log is cut, then the cut is
made durable, and only then may anything be appended. Whatever the disk makes wait is done in the executor. One
checkpoint serves all logs that are cut together.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from odradek.log import reading
from odradek.log.errors import LogError
from odradek.log.log import Log
from odradek.log.log_state import directory_of
from odradek.log.manager import LogManager
from odradek.replication.following import BeginAt, Cut
from odradek.replication.partition import Partition

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 10
"""A flush that ends meanwhile may move the recovery point on again."""


@dataclass(frozen=True, slots=True, eq=False)
class Truncation:
    """`is_wanted`: asked before the log is touched, as the leader may have changed meanwhile."""

    partition: Partition
    decision: Cut | BeginAt
    is_wanted: Callable[[], bool]

    @property
    def log(self) -> Log:
        return self.partition.log


async def truncate_logs(logs: LogManager, wanted: Sequence[Truncation]) -> list[Truncation]:
    """Cut as decided; those that are cut, durably. The others are as before, or their directory has failed."""
    done: list[Truncation] = []
    for each in wanted:
        await each.partition.writes_ended()
        await _warm_up(logs, each)
    left = list(wanted)
    for _ in range(ATTEMPTS_MAX):
        left = [each for each in left if each.is_wanted()]
        if not left:
            break
        for each in left:
            each.log.lower_recovery_point(each.decision.offset)
        written = await logs.upkeep.checkpoint_recovery_points()
        left = [each for each in left if directory_of(each.log) in written and each.is_wanted()]
        ready = [each for each in left if each.log.recovery_point <= each.decision.offset]
        done += [each for each in ready if _truncate(logs, each)]
        left = [each for each in left if each.log.recovery_point > each.decision.offset]
    return await _store(logs, done)


async def _warm_up(logs: LogManager, truncation: Truncation) -> None:
    """Let the executor wait for what has to be read to find the place; errors show again where they count."""
    decision, log = truncation.decision, truncation.log
    if isinstance(decision, Cut):
        task = reading.search_task(log.segment_of(decision.offset))
        with suppress(OSError, LogError):
            await logs.loop.run_in_executor(None, reading.find_cold, logs.files, task, decision.offset)


def _truncate(logs: LogManager, truncation: Truncation) -> bool:
    partition, decision, log = truncation.partition, truncation.decision, truncation.log
    before, removed = log.log_end_offset, list[str]()
    try:
        if isinstance(decision, Cut):
            log.truncate_to(decision.offset, removed)
        else:
            log.truncate_fully_and_start_at(decision.offset, logs.time_ms(), removed)
            logs.checkpointer.starts_changed = True
    except LogError as error:
        logs.write_failed(logs.health_of(log), error)
        return False
    for path in removed:
        logs.upkeep.remove_later(path, log.config.file_delete_delay_ms)
    partition.truncated()
    name = f"{partition.topic}-{partition.index}"
    if decision.committed_lost:
        lost = decision.committed_lost
        logger.error("%s lost %d committed offsets: its leader of epoch %d was elected without them",
                     name, lost, partition.leader_epoch)  # fmt: skip
    logger.info("%s was cut from %d to %d to be its leader's of epoch %d",
                name, before, log.log_end_offset, partition.leader_epoch)  # fmt: skip
    return True


async def _store(logs: LogManager, done: Sequence[Truncation]) -> list[Truncation]:
    """Wait until no power loss can undo it."""
    if any(isinstance(each.decision, BeginAt) for each in done):
        written = await logs.upkeep.checkpoint_start_offsets()
        done = [each for each in done if directory_of(each.log) in written]
    for each in done:
        logs.flusher.request(each.log, everything=True)
    stored: list[Truncation] = []
    for each in done:
        with suppress(LogError):
            await logs.flusher.flush_cut(each.log)
            stored.append(each)
    return stored
