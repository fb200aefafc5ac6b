"""What a leader's answer does to the logs: records appended, ends cut, high watermarks and log starts taken over.

Each partition's records are written with one call, from the buffer they were received into. An answer counts for the
position it was asked for: a partition that is elsewhere by now, or under another leader, is asked for anew.
"""

import asyncio
import logging
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.log.append import AppendResult
from odradek.log.errors import DamagedLogError, LogError, UnexpectedOffsetError
from odradek.replication.asking import Asking
from odradek.replication.followed import Followed
from odradek.replication.following import BeginAt, Cut, Decision, Fail, Take, Wait, decide
from odradek.replication.truncation import Truncation, truncate_logs
from odradek.wire.replica_fetch import FetchedPartition, Key

if TYPE_CHECKING:
    from odradek.replication.replica_fetchers import ReplicaFetchers

logger = logging.getLogger(__name__)

TURN_BYTES = 1 << 20
TURN_PARTITIONS = 64
"""Of one answer between two turns of the loop: so much is appended within a millisecond or two."""

_NOTHING = memoryview(b"")

Appending = tuple[Followed, FetchedPartition, "asyncio.Future[AppendResult]"]


class Answers:
    """Part of a `Fetcher`."""

    def __init__(self, asking: Asking, owner: "ReplicaFetchers") -> None:
        self._asking = asking
        self._owner = owner
        self._appending: list[Appending] = []
        """Writes that go through a thread."""
        self._cutting: list[tuple[Followed, FetchedPartition, Cut | BeginAt]] = []
        self._unheard: dict[Key, FetchedPartition] = {}
        """Answers that told of a high watermark and a log start, but could not be taken. See `not_answered`."""

    async def take(self, answers: list[FetchedPartition]) -> None:
        """Returns when all of it is done; the answers' records are not used afterwards."""
        taken = 0
        for number, answer in enumerate(answers, 1):
            followed = self._followed_by(answer)
            if followed is not None:
                self._act(followed, answer, decide(answer, followed.own_log()))
            taken += len(answer.records)
            if taken >= TURN_BYTES or number % TURN_PARTITIONS == 0:
                taken = 0
                await asyncio.sleep(0)
        await self._await_appends()
        await self._cut()

    def _followed_by(self, answer: FetchedPartition) -> Followed | None:
        """Who asked for it, if it still is of use."""
        key = (answer.topic_id, answer.partition)
        followed, told = self._asking.followed.get(key), self._asking.session.told(key)
        if followed is None or told is None or followed.is_failed or followed.waits_until is not None:
            return None
        if followed.is_still_at(told):
            return followed
        self._unheard[key] = answer._replace(records=_NOTHING)
        self._asking.changed(followed)
        return None

    def not_answered(self, asked: Iterable[Key], answered: Iterable[Key]) -> None:
        """Of the others the leader has nothing to say: what is here is its own, and what it told before holds.

        In a session it tells nothing twice, not even to a replica that could make no use of it the first time.
        """
        if not self._unheard:
            return
        had_news = dict.fromkeys(answered)
        for key in asked:
            if key in had_news:
                continue
            answer, followed = self._unheard.pop(key, None), self._asking.followed.get(key)
            told = self._asking.session.told(key)
            if answer is not None and followed is not None and told is not None and followed.is_still_at(told):
                self._took(followed, answer)

    def begin_anew(self) -> None:
        """There is a new session, in which everything is told again."""
        self._unheard.clear()

    def _act(self, followed: Followed, answer: FetchedPartition, decision: Decision) -> None:
        if isinstance(decision, Take):
            self._append(followed, answer)
        elif isinstance(decision, Wait):
            self._wait(followed, decision)
        elif isinstance(decision, Fail):
            self._asking.fail(followed, decision.reason)
        else:
            self._unheard[followed.key] = answer._replace(records=_NOTHING)
            self._cutting.append((followed, answer, decision))

    def _wait(self, followed: Followed, decision: Wait) -> None:
        if decision.error is ErrorCode.corrupt_message and not followed.attempts:
            logger.error("%s was sent what it cannot append: %s", followed.name, decision.reason)
        self._asking.wait(followed, decision.error, decision.reason)

    # -- appending ------------------------------------------------------------------------------------------------

    def _append(self, followed: Followed, answer: FetchedPartition) -> None:
        if not answer.records:
            self._took(followed, answer)
            return
        try:
            appended = followed.partition.append_replicated(answer.records)
        except LogError as error:
            self._refused(followed, error)
            return
        if isinstance(appended, AppendResult):
            self._appended(followed, answer, appended)
        else:
            self._appending.append((followed, answer, appended))

    async def _await_appends(self) -> None:
        appending, self._appending = self._appending, []
        for followed, answer, future in appending:
            try:
                self._appended(followed, answer, await future)
            except LogError as error:
                self._refused(followed, error)

    def _refused(self, followed: Followed, error: LogError) -> None:
        """The records, or the disk: full, failed or damaged. What has to be done about that is done."""
        if isinstance(error, UnexpectedOffsetError):
            self._wait(followed, Wait(ErrorCode.corrupt_message, str(error)))
        elif isinstance(error, DamagedLogError):
            self._asking.fail(followed, str(error))
        else:
            self._asking.wait(followed, ErrorCode.kafka_storage_error, str(error))

    def _appended(self, followed: Followed, answer: FetchedPartition, result: AppendResult) -> None:
        if result.error is not ErrorCode.none:
            self._wait(followed, Wait(result.error, result.error_message or result.error.name))
            return
        size = len(answer.records)
        self._owner.received(followed, size)
        self._took(followed, answer)

    def _took(self, followed: Followed, answer: FetchedPartition) -> None:
        if not self._asking.is_current(followed):
            return
        self._unheard.pop(followed.key, None)
        followed.attempts = 0
        followed.is_throttled = False
        followed.leader_high_watermark = answer.high_watermark
        followed.partition.follow_to(answer.high_watermark, answer.log_start_offset)
        self._asking.changed(followed)

    # -- cutting --------------------------------------------------------------------------------------------------

    async def _cut(self) -> None:
        cutting, self._cutting = self._cutting, []
        if not cutting:
            return
        wanted = {
            Truncation(followed.partition, decision, partial(self._asking.is_current, followed)): (followed, answer)
            for followed, answer, decision in cutting
        }
        done = await truncate_logs(self._owner.logs, list(wanted))
        for truncation, (followed, answer) in wanted.items():
            if truncation not in done:
                self._asking.wait(followed, ErrorCode.kafka_storage_error, "its log could not be cut")
            elif isinstance(truncation.decision, BeginAt) and truncation.decision.then_take:
                self._append(followed, answer)
            else:
                self._asking.changed(followed)
        await self._await_appends()
