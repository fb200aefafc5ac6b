"""Whom to ask: the leader of etcd's members where it can be reached, else a member that knows one.

Requests go to one member until it fails or the leader changes; streams begin at a member that differs from broker to
broker, so that not every watch hangs on the leader. A failed member is only left, never shut out.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from odradek.metastore.etcd.calls import STATUS, Member, Method, RpcFailed, Stream
from odradek.metastore.etcd.errors import StoreRefuses, is_token_refused
from odradek.metastore.etcd.timing import Timing
from odradek.metastore.etcd.tokens import Tokens
from odradek.metastore.store import NotApplied

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a member sees the cluster. Ids are etcd's; leader 0: it will not say."""

    id: int
    leader: int


class Members:
    """`stream_from`: the number of the member at which streams begin (counted around)."""

    def __init__(self, members: Sequence[Member], tokens: Tokens, timing: Timing, stream_from: int) -> None:
        self._members, self._tokens, self._timing = members, tokens, timing
        self._loop = asyncio.get_running_loop()
        self._current: Member | None = None
        self._term = 0
        self._search: asyncio.Task[None] | None = None
        self._follows, self._chosen_at = False, self._loop.time()
        self._lost_at = self._loop.time()
        self._problem = "nobody was asked"
        self._refusal: StoreRefuses | None = None
        self._stream_at = stream_from % len(members)
        self._streams: set[Stream] = set()
        self._is_closed = False

    # --- requests ---

    async def current(self, deadline: float) -> Member:
        """Who is asked now. Raises NotApplied when there is nobody until the deadline (of the loop's clock), and at
        once when etcd does not let this user in."""
        member = self._current
        while member is None:
            self._check_open()
            member = await self._search_until(deadline)
        return member

    async def _search_until(self, deadline: float) -> Member | None:
        remaining = deadline - self._loop.time()
        if remaining > 0:
            await asyncio.wait([self._searching()], timeout=remaining)
        if self._current is None:
            if self._refusal is not None:
                raise self._refusal
            if self._loop.time() + self._timing.pause_s >= deadline:
                raise NotApplied(f"etcd cannot be asked: {self._problem}")
            await asyncio.sleep(self._timing.pause_s)
        return self._current

    def lost(self, member: Member) -> None:
        """It did not answer: look for another one, or find that it is the right one after all."""
        if self._current is member:
            self._current, self._lost_at = None, self._loop.time()

    def notice(self, raft_term: int) -> None:
        """An answer came. A later term has, most likely, another leader; a follower is asked only for a while."""
        is_time = self._follows and self._loop.time() - self._chosen_at >= self._timing.leader_s
        if raft_term > self._term or is_time:
            self._term = max(raft_term, self._term)
            self._searching()

    async def ask(self, member: Member, method: Method, request: Any, deadline: float) -> Any:
        """The response; a request whose token was refused is sent again with a new one.

        Raises RpcFailed, StoreRefuses.
        """
        for is_last in (False, True):
            metadata = await self._tokens.metadata(member)
            try:
                return await member.ask(method, request, metadata, deadline - self._loop.time())
            except RpcFailed as error:
                if is_last or not is_token_refused(error.details) or not self._tokens.forget(metadata):
                    raise
        raise AssertionError("unreachable: the second try returns or raises")

    # --- the search ---

    def _searching(self) -> "asyncio.Task[None]":
        if self._search is None or self._search.done():
            self._search = self._loop.create_task(self._look_for_leader())
        return self._search

    async def _look_for_leader(self) -> None:
        """Ask all at once. The leader is taken as soon as it answers; a follower when all have had their time."""
        self._refusal = None
        asking = [self._loop.create_task(self._standing(member)) for member in self._members]
        followers: dict[Member, Standing] = {}
        try:
            for answer in asyncio.as_completed(asking):
                member, standing = await answer
                if standing is not None and standing.leader == standing.id:
                    return self._choose(member, is_leader=True)
                if standing is not None:
                    followers[member] = standing
        finally:
            for task in asking:
                task.cancel()
        for member, standing in followers.items():
            if self._may_follow(standing.leader):
                return self._choose(member, is_leader=False)
        return None

    def _may_follow(self, leader: int) -> bool:
        """A leader that is one of ours but did not answer may be dead: others need a moment to notice."""
        is_ours = leader != 0 and leader in {member.id for member in self._members}
        return not is_ours or self._loop.time() - self._lost_at >= self._timing.leader_s

    def _choose(self, member: Member, *, is_leader: bool) -> None:
        if member is not self._current:
            what = "the leader" if is_leader else "a follower"
            logger.info("Metadata requests go to etcd at %s, %s", member.address, what)
        self._current, self._follows, self._chosen_at = member, not is_leader, self._loop.time()

    async def _standing(self, member: Member) -> tuple[Member, Standing | None]:
        """None from a member that does not answer, has no leader, or is still learning."""
        try:
            status = await self.ask(member, STATUS, STATUS.request(), self._loop.time() + self._timing.answer_s)
        except StoreRefuses as error:
            self._refusal = error
            return member, None
        except RpcFailed as error:
            self._problem = str(error)
            return member, Standing(-1, 0) if error.code == "PERMISSION_DENIED" else None
        member.id, member.version = status.header.member_id, status.version
        self._term = max(self._term, status.header.raft_term)
        if not status.leader or status.isLearner:
            self._problem = f"etcd at {member.address} has no leader"
            return member, None
        return member, Standing(member.id, status.leader)

    # --- streams ---

    async def stream(self, method: Method, member: Member | None = None) -> Stream:
        """Begin one with the member, or with the next in turn; `end` it. Raises RpcFailed, NotApplied."""
        self._check_open()
        if member is None:
            member = self._members[self._stream_at]
            self._stream_at = (self._stream_at + 1) % len(self._members)
        stream = member.stream(method, await self._tokens.metadata(member))
        self._streams.add(stream)
        return stream

    def token_refused(self, stream: Stream) -> None:
        """The next stream has another token."""
        self._tokens.forget(stream.metadata)

    def end(self, stream: Stream) -> None:
        stream.cancel()
        self._streams.discard(stream)

    async def close(self) -> None:
        """Everything under way ends as cancelled."""
        self._is_closed, self._current = True, None
        if self._search is not None:
            self._search.cancel()
            await asyncio.gather(self._search, return_exceptions=True)
        for stream in self._streams:
            stream.cancel()
        await asyncio.gather(*[member.close() for member in self._members])

    def _check_open(self) -> None:
        if self._is_closed:
            raise NotApplied("the metadata store is closed")
