"""Incremental fetch sessions (KIP-227): what a client fetches is remembered, so that it sends and gets changes alone.

A context is what one request means under its session: which partitions to read, and which answers to send. Pure: time
and randomness are given.

A partition that has nothing new for the client is quiet: it is not looked at again until the client asks for something
else of it or the partition itself says that it has changed. So a fetch of thousands of partitions costs what those cost
that have something.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from kio.schema.errors import ErrorCode

from odradek.wire.fetch import FIRST_WITH_TOPIC_IDS, FetchPartition, FetchRequest, PartitionResult
from odradek.wire.produce import TopicKey

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
_INT32_MAX = 2**31 - 1

EVICTABLE_AFTER_MS = 120_000
"""Time without a request after which a session may be evicted by any new one, and since its creation by larger ones."""

Key = tuple[TopicKey, int]
"""Topic name or id, and partition."""


def next_epoch(epoch: int) -> int:
    """The epoch a session's next request has to carry: it wraps to 1, never to the initial one."""
    if epoch < 0:
        return FINAL_EPOCH
    return 1 if epoch == _INT32_MAX else epoch + 1


class Watched(Protocol):
    """`replication.partition.Partition`, as far as it tells who waits that it has changed."""

    def add_fetch_waiter(self, waiter: "Waiter") -> None: ...
    def remove_fetch_waiter(self, waiter: "Waiter") -> None: ...


class Waiter(Protocol):
    """Who waits for partitions to change."""

    @property
    def is_follower(self) -> bool:
        """A replica's."""
        ...

    def wake(self, partition: Any) -> None:
        """The partition has."""
        ...


class CachedPartition:
    """What a session remembers of a partition: the last request for it, and what its client was told last."""

    __slots__ = ("high_watermark", "log_start_offset", "name", "quiet", "wanted")

    def __init__(self, wanted: FetchPartition) -> None:
        self.wanted = wanted
        self.name: str | None = None
        """The topic's name, once its id was resolved."""
        self.high_watermark = -1
        self.log_start_offset = -1
        self.quiet: Watched | None = None
        """Set while it is: who will say that there is something."""

    def has_told(self, result: PartitionResult, upper_offset: int) -> bool:
        """Whether the client knows all there is for it (up to the upper offset), and has got it."""
        return (
            not result.error_code
            and result.diverging is None
            and result.preferred_read_replica < 0
            and self.wanted.fetch_offset == upper_offset
            and result.last_stable_offset == result.high_watermark
            and self.high_watermark == result.high_watermark
            and self.log_start_offset == result.log_start_offset
        )

    def note(self, result: PartitionResult, records_size: int) -> bool:
        """Whether the client has to be told, after which it knows."""
        changed = (
            records_size > 0
            or self.high_watermark != result.high_watermark
            or self.log_start_offset != result.log_start_offset
            or result.preferred_read_replica >= 0
            or result.diverging is not None
        )
        self.high_watermark = result.high_watermark
        self.log_start_offset = result.log_start_offset
        if result.error_code:
            self.high_watermark = -1  # So that the partition is sent again when the error is gone.
            return True
        return changed


class FetchSession:
    """`epoch` is what the next request must carry. `active` are the partitions to be looked at, in that order."""

    __slots__ = (
        "active", "created_ms", "epoch", "id", "is_ended", "is_follower", "last_used_ms", "partitions", "quiet",
        "uses_topic_ids", "waiting",
    )  # fmt: skip

    def __init__(
        self,
        session_id: int,
        now_ms: int,
        uses_topic_ids: bool,
        partitions: dict[Key, CachedPartition],
        is_follower: bool = False,
    ) -> None:
        self.id = session_id
        self.is_follower = is_follower
        """A replica's: it is also told of records that are not committed yet."""
        self.created_ms = self.last_used_ms = now_ms
        self.epoch = next_epoch(INITIAL_EPOCH)
        self.uses_topic_ids = uses_topic_ids
        self.partitions = partitions
        self.active: dict[Key, None] = dict.fromkeys(partitions)
        self.quiet: dict[Watched, Key] = {}
        self.is_ended = False
        self.waiting: Waiter | None = None
        """The fetch that is told as well when a quiet partition has changed."""

    def settle(self, key: Key, partition: Watched) -> None:
        """It is quiet from now on."""
        if self.is_ended:
            return
        del self.active[key]
        self.partitions[key].quiet = partition
        self.quiet[partition] = key
        partition.add_fetch_waiter(self)

    def wake(self, partition: Watched) -> None:
        """A quiet partition has changed."""
        self._rouse(self.quiet[partition])
        if self.waiting is not None:
            self.waiting.wake(partition)

    def ask(self, key: Key, wanted: FetchPartition) -> None:
        """What the client wants of it now."""
        cached = self.partitions.get(key)
        if cached is None:
            self.partitions[key] = CachedPartition(wanted)
            self.active[key] = None
        else:
            cached.wanted = wanted
            self._rouse(key)

    def forget(self, key: Key) -> None:
        """The client wants it no more."""
        if key in self.partitions:
            self._rouse(key)
            del self.active[key]
            del self.partitions[key]

    def end(self) -> None:
        """Nobody is to tell it anything any more."""
        self.is_ended = True
        for partition in self.quiet:
            partition.remove_fetch_waiter(self)
        self.quiet.clear()

    def _rouse(self, key: Key) -> None:
        cached = self.partitions[key]
        if cached.quiet is not None:
            cached.quiet.remove_fetch_waiter(self)
            del self.quiet[cached.quiet]
            cached.quiet = None
            self.active[key] = None


class FetchContext(Protocol):
    """One request under its session."""

    session: FetchSession | None
    """Of an incremental request."""

    def wanted(self) -> Iterator[tuple[TopicKey, FetchPartition, CachedPartition | None]]:
        """Each partition to read, in order."""
        ...

    def answer(self, results: dict[Key, tuple[PartitionResult, int]]) -> tuple[ErrorCode, int, list[Key]]:
        """From results and sizes of records: error, session id, and the partitions to answer, in order."""
        ...


class SessionErrorContext:
    """The session does not allow the request: nothing is read."""

    def __init__(self, error: ErrorCode) -> None:
        self.error = error
        self.session: FetchSession | None = None

    def wanted(self) -> Iterator[tuple[TopicKey, FetchPartition, CachedPartition | None]]:
        return iter(())

    def answer(self, results: dict[Key, tuple[PartitionResult, int]]) -> tuple[ErrorCode, int, list[Key]]:
        return self.error, NO_SESSION, []


class FullContext:
    """Everything is asked for and answered; `create` is given what is to be remembered, if anything."""

    def __init__(
        self,
        request: FetchRequest,
        create: Callable[[dict[Key, CachedPartition]], int] | None,
    ) -> None:
        self._wanted = {(key, each.partition): each for key, partitions in request.topics for each in partitions}
        self._create = create
        self.session: FetchSession | None = None

    def wanted(self) -> Iterator[tuple[TopicKey, FetchPartition, CachedPartition | None]]:
        return ((key[0], each, None) for key, each in self._wanted.items())

    def answer(self, results: dict[Key, tuple[PartitionResult, int]]) -> tuple[ErrorCode, int, list[Key]]:
        if self._create is None:
            return ErrorCode.none, NO_SESSION, list(results)
        cached = {}
        for key, (result, _) in results.items():
            partition = cached[key] = CachedPartition(self._wanted[key])
            partition.high_watermark, partition.log_start_offset = result.high_watermark, result.log_start_offset
        return ErrorCode.none, self._create(cached), list(results)


class IncrementalContext:
    """What the session knows is read; what its client does not know yet is answered."""

    def __init__(self, session: FetchSession) -> None:
        self.session: FetchSession | None = session
        self._session = session
        self._epoch = session.epoch

    def wanted(self) -> Iterator[tuple[TopicKey, FetchPartition, CachedPartition | None]]:
        partitions = self._session.partitions
        return ((key[0], (cached := partitions[key]).wanted, cached) for key in self._session.active)

    def answer(self, results: dict[Key, tuple[PartitionResult, int]]) -> tuple[ErrorCode, int, list[Key]]:
        session = self._session
        if session.epoch != self._epoch:
            return ErrorCode.invalid_fetch_session_epoch, session.id, []
        partitions, active, answered = session.partitions, session.active, []
        for key, (result, records_size) in results.items():
            cached = partitions[key]
            if not cached.note(result, records_size):
                continue
            answered.append(key)
            if records_size:  # To the end of the line, so that every partition has its turn.
                del active[key]
                active[key] = None
        return ErrorCode.none, session.id, answered


class FetchSessions:
    """At most `slots` sessions; a new one may take the place of a stale or a smaller one.

    Replicas come first (KIP-227's privileged sessions): theirs give way to none of a consumer unless they are stale,
    and for theirs any consumer's does.
    """

    def __init__(self, slots: int, rng: random.Random) -> None:
        self._slots = slots
        self._random = rng
        self._sessions: dict[int, FetchSession] = {}
        """Least recently used first."""

    def __len__(self) -> int:
        return len(self._sessions)

    def context(self, request: FetchRequest, version: int, now_ms: int) -> FetchContext:
        """What the request means; its session, if it has one, moves on."""
        uses_topic_ids = version >= FIRST_WITH_TOPIC_IDS
        if request.session_epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._remove(request.session_id)
            if request.session_epoch == FINAL_EPOCH:
                return FullContext(request, None)
            is_follower = request.replica_id >= 0
            return FullContext(request, lambda cached: self._create(cached, uses_topic_ids, now_ms, is_follower))
        session = self._sessions.get(request.session_id)
        if session is None:
            return SessionErrorContext(ErrorCode.fetch_session_id_not_found)
        if session.epoch != request.session_epoch:
            return SessionErrorContext(ErrorCode.invalid_fetch_session_epoch)
        if session.uses_topic_ids != uses_topic_ids:
            return SessionErrorContext(ErrorCode.fetch_session_topic_id_error)
        return self._continue(session, request, now_ms)

    def _continue(self, session: FetchSession, request: FetchRequest, now_ms: int) -> FetchContext:
        for key, wanted in request.topics:
            for each in wanted:
                session.ask((key, each.partition), each)
        for key, indexes in request.forgotten:
            for index in indexes:
                session.forget((key, index))
        del self._sessions[session.id]
        if not session.partitions:
            return FullContext(request, None)
        self._sessions[session.id] = session
        session.last_used_ms = now_ms
        session.epoch = next_epoch(session.epoch)
        return IncrementalContext(session)

    def _create(self, cached: dict[Key, CachedPartition], uses_topic_ids: bool, now_ms: int, is_follower: bool) -> int:
        """The new session's id, `NO_SESSION` when there is no room for it."""
        if len(self._sessions) >= self._slots and not self._evict(is_follower, len(cached), now_ms):
            return NO_SESSION
        session_id = self._random.randint(1, _INT32_MAX)
        while session_id in self._sessions:
            session_id = self._random.randint(1, _INT32_MAX)
        self._sessions[session_id] = FetchSession(session_id, now_ms, uses_topic_ids, cached, is_follower)
        return session_id

    def _evict(self, is_follower: bool, size: int, now_ms: int) -> bool:
        """Make room for a session of so many partitions: a stale one goes, else the smallest that is not new, a
        consumer's first."""
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None:
            return False
        if now_ms - oldest.last_used_ms > EVICTABLE_AFTER_MS:
            self._remove(oldest.id)
            return True
        evictable = [
            each
            for each in self._sessions.values()
            if now_ms - each.created_ms > EVICTABLE_AFTER_MS or (is_follower and not each.is_follower)
        ]
        least = min(evictable, key=lambda each: (each.is_follower, len(each.partitions), each.id), default=None)
        if least is None or (least.is_follower, len(least.partitions)) >= (is_follower, size):
            return False
        self._remove(least.id)
        return True

    def _remove(self, session_id: int) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            session.end()
