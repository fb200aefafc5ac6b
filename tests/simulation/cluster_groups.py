"""Groups of a simulated cluster: a committer whose offsets only rise, and members that join, sync and leave.

Both look for their coordinator as clients do, wherever its partition of `__consumer_offsets` is led by now.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from tests.simulation.cluster_clients import REQUEST_SECONDS, RETRIED, Client
from tests.support.history import CommitAcknowledged, CommitSent, CommittedRead
from tests.support.wire_client import WireClient

if TYPE_CHECKING:
    from tests.simulation.cluster_lives import ClusterLives

COMMITTER, MEMBERS = "committer", "members"
PROTOCOLS = {"range": b""}
SESSION_MS, REBALANCE_MS = 6000, 2000

AGAIN = (
    ErrorCode.not_coordinator,
    ErrorCode.coordinator_not_available,
    ErrorCode.coordinator_load_in_progress,
    ErrorCode.request_timed_out,
    ErrorCode.not_enough_replicas,
    ErrorCode.unknown_topic_or_partition,
)
"""What a group's client may be answered, and tries again then."""


class GroupClient(Client):
    """Knows its coordinator, until that answers that it is none."""

    def __init__(self, lives: "ClusterLives", name: str, group: str) -> None:
        super().__init__(lives, name)
        self.group = group
        self._coordinator: int | None = None

    async def run(self) -> None:
        while not self.lives.is_over:
            try:
                async with asyncio.timeout(REQUEST_SECONDS + REBALANCE_MS / 1000):
                    await self.take_part(await self._find_coordinator())
            except RETRIED:
                if self._coordinator is not None:
                    self.drop(self._coordinator)
                self._coordinator = None
                await self.rest()
            else:
                await asyncio.sleep(self.chance.random() * self.lives.pause_s)

    async def take_part(self, coordinator: WireClient) -> None:
        """One round. Raises what is to be retried."""
        raise NotImplementedError

    async def _find_coordinator(self) -> WireClient:
        if self._coordinator is None:
            asked = self.anyone()
            try:
                found = await (await self.connect(asked)).find_coordinator(self.group)
            except RETRIED:
                self.drop(asked)
                raise
            self.require(found.error_code)
            self._coordinator = found.node_id
        return await self.connect(self._coordinator)

    def require(self, error: ErrorCode) -> None:
        """Raises ConnectionError for what is to be tried again; nothing else may be answered."""
        if error is not ErrorCode.none:
            assert error in AGAIN, f"{self.name} is answered {error.name}"
            raise ConnectionError(error.name)


class Committer(GroupClient):
    """Reads what is committed, and commits one more."""

    def __init__(self, lives: "ClusterLives", place: tuple[str, int]) -> None:
        super().__init__(lives, "committer", COMMITTER)
        self.place, self.offset = place, 0

    async def take_part(self, coordinator: WireClient) -> None:
        await self.read(coordinator)
        self.offset += 1
        self.history.add(CommitSent(self.group, self.place, self.offset))
        self.require(await coordinator.commit_offset(self.group, *self.place, self.offset))
        self.history.add(CommitAcknowledged(self.group, self.place, self.offset))

    async def read(self, coordinator: WireClient) -> None:
        """What is committed is what was, or what may have been."""
        answer = await coordinator.committed_offset(self.group, *self.place)
        self.require(answer.error_code)
        part = answer.topics[0].partitions[0]
        self.require(part.error_code)
        self.history.add(CommittedRead(self.group, self.place, part.committed_offset))

    async def read_in_the_end(self) -> None:
        """Until somebody answers."""
        while True:
            try:
                await self.read(await self._find_coordinator())
            except RETRIED:
                self._coordinator = None
                await self.rest()
            else:
                return


class Member(GroupClient):
    """Joins, syncs and leaves again and again: generations rise, whoever coordinates."""

    def __init__(self, lives: "ClusterLives", name: str) -> None:
        super().__init__(lives, name, MEMBERS)
        self._member_id = ""

    async def take_part(self, coordinator: WireClient) -> None:
        known = self.lives.generation
        joined = await self._join(coordinator)
        assert joined.generation_id >= known, f"{self.name} joins generation {joined.generation_id} after {known}"
        self._member_id = joined.member_id
        parts = {each.member_id: each.member_id.encode() for each in joined.members}
        synced = await coordinator.sync_group(MEMBERS, joined.generation_id, self._member_id, parts, protocol="range")
        if synced.error_code is ErrorCode.none:
            assert synced.assignment == self._member_id.encode(), f"{self.name} got the assignment of another"
            self.lives.generation = max(self.lives.generation, joined.generation_id)
            await coordinator.heartbeat(MEMBERS, joined.generation_id, self._member_id)
        if self.chance.random() < 0.3:
            await coordinator.leave_group(MEMBERS, self._member_id)
            self._member_id = ""

    async def _join(self, coordinator: WireClient) -> Any:
        """The answer of a join that succeeded."""
        for _ in range(3):
            joined = await coordinator.join_group(
                MEMBERS, self._member_id, protocols=PROTOCOLS, session_timeout_ms=SESSION_MS,
                rebalance_timeout_ms=REBALANCE_MS,
            )  # fmt: skip
            if joined.error_code is ErrorCode.none:
                return joined
            if joined.error_code is ErrorCode.member_id_required:
                self._member_id = joined.member_id
            elif joined.error_code is ErrorCode.unknown_member_id:
                self._member_id = ""
            else:
                break
        raise ConnectionError(joined.error_code.name)
