"""A script about what the broker forgets after a time, and what it may not forget before: offsets and producers.

Everything is flushed, so that a power loss is no excuse; the wall clock says what is due.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, encode_batch
from tests.simulation import broker_requests as requests
from tests.simulation.broker_script import EVENTS, Action, Script
from tests.simulation.promises import NONE_COMMITTED, Promises
from tests.support.history import Sent
from tests.support.wire_client import WireClient

RETENTION_MS, PRODUCER_MS = 60_000, 8_000
ROLL_MS = 3_000
SLACK_MS = 6_000
"""A sweep comes within it, also when the broker dies once or twice meanwhile."""
SIMPLE, ACTIVE = "simple", "active"
HEARTBEAT_SECONDS, SESSION_MS = 1.5, 6000
GAP = 100


class ExpiryScript(Script):
    """One simple group, one with a member, one producer that falls silent."""

    config: ClassVar[dict[str, Any]] = {
        "offsets.retention.minutes": 1,
        "offsets.retention.check.interval.ms": 1000,
        "producer.id.expiration.ms": PRODUCER_MS,
        "producer.id.expiration.check.interval.ms": 1000,
        "log.roll.ms": ROLL_MS,
    }

    def __init__(self, promises: Promises, stop: Action, now_ms: Callable[[], int]) -> None:
        super().__init__(promises, stop, now_ms)
        self.generation = -1
        self.left_ms = self.wrote_ms = self.committed_ms = 0
        self.producer_id, self.sequence = -1, 0
        self.sent: dict[int, int] = {}
        """When the record of each sequence number was made."""
        self.expiring: dict[str, None] = {}
        """Groups whose offsets may be gone."""

    def actions(self) -> list[Action]:
        return [
            self.create(EVENTS, 1, {"segment.ms": str(ROLL_MS)}),
            self.write(0),
            self.rest(ROLL_MS / 1000 + 1),
            self.write(0),
            self.refuse_gap,
            self.join,
            self.commit_as_member,
            self.commit(SIMPLE, EVENTS, 1),
            self.note_commit,
            self.silence,
            self.write(GAP),
            self.silence,
            self.stop,
            self.write(GAP),
            self.stay(RETENTION_MS + SLACK_MS),
            self.expect_gone(SIMPLE),
            self.stop,
            self.stay(2 * SLACK_MS),
            self.leave,
            self.still_there(RETENTION_MS // 2),
            self.stop,
            self.still_there(RETENTION_MS // 2 - SLACK_MS),
            self.expect_gone(ACTIVE),
            self.stop,
        ]

    # A producer

    def write(self, gap: int) -> Action:
        """The next batch; with a gap in its sequence numbers it is taken only from a producer that was forgotten.

        A start may bring back what the log still tells of a producer, until the next sweep.
        """
        begun_ms = 0

        async def attempt(client: WireClient) -> bool:
            nonlocal begun_ms
            if self.producer_id < 0:
                answer = await client.init_producer_id()
                requests.require(answer.error_code)
                self.producer_id = answer.producer_id
            if begun_ms == 0:
                self.sequence += gap
                begun_ms = self.now_ms()
            error = await self.send(client, self.sequence)
            if self.now_ms() - begun_ms > SLACK_MS:
                assert error is not ErrorCode.out_of_order_sequence_number, "an expired producer is known for good"
            requests.require(error)
            self.sequence += 1
            self.wrote_ms = self.now_ms()
            return True

        return attempt

    async def refuse_gap(self, client: WireClient) -> bool:
        """A producer that has not expired is known."""
        error = await self.send(client, self.sequence + GAP)
        if self.now_ms() - self.wrote_ms < PRODUCER_MS:
            assert error is not ErrorCode.none, "a gap in the sequence was accepted"
        return error is ErrorCode.out_of_order_sequence_number

    async def send(self, client: WireClient, sequence: int) -> ErrorCode:
        value = f"value-{sequence}"
        if sequence not in self.sent:
            self.sent[sequence] = self.now_ms()
            self.promises.topics[EVENTS].history.add(Sent("writer", (EVENTS, 0), value))
        records = [Record(0, self.sent[sequence], None, value.encode())]
        data = encode_batch(records, producer_id=self.producer_id, producer_epoch=0, base_sequence=sequence)
        error: ErrorCode = (await client.produce(EVENTS, 0, data, timeout=3.0)).error_code
        return error

    async def silence(self, client: WireClient) -> bool:
        """The producer is silent until it has expired; the member stays."""
        await self.beat(client)
        return self.now_ms() - self.wrote_ms > PRODUCER_MS + SLACK_MS

    # Groups

    async def join(self, client: WireClient) -> bool:
        await requests.find_coordinator(client, ACTIVE)
        joined = await client.join_group(
            ACTIVE, self.member_id, protocols={"range": b""}, session_timeout_ms=SESSION_MS, rebalance_timeout_ms=1000
        )
        if joined.error_code in (ErrorCode.member_id_required, ErrorCode.unknown_member_id):
            self.member_id = joined.member_id if joined.error_code is ErrorCode.member_id_required else ""
            return False
        requests.require(joined.error_code)
        self.member_id = joined.member_id
        parts = {self.member_id: b""}
        synced = await client.sync_group(ACTIVE, joined.generation_id, self.member_id, parts, protocol="range")
        requests.require(synced.error_code)
        self.generation = joined.generation_id
        return True

    async def commit_as_member(self, client: WireClient) -> bool:
        await self.beat(client)
        commit = self.committing(ACTIVE, EVENTS, 1, self.commit_one)
        return await commit(client)

    async def commit_one(self, client: WireClient) -> ErrorCode:
        error: ErrorCode = await client.commit_offset(
            ACTIVE, EVENTS, 0, 1, generation=self.generation, member_id=self.member_id
        )
        return error

    async def note_commit(self, _: WireClient) -> bool:
        self.committed_ms = self.now_ms()
        return True

    async def beat(self, client: WireClient) -> None:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        await requests.find_coordinator(client, ACTIVE)
        answer = await client.heartbeat(ACTIVE, self.generation, self.member_id)
        requests.require(answer.error_code)

    def stay(self, duration_ms: int) -> Action:
        """The member goes on; its group keeps its offset, however old. The simple group's goes when it is due."""

        async def attempt(client: WireClient) -> bool:
            await self.beat(client)
            self.promises.commit_read(ACTIVE, EVENTS, await requests.committed(client, ACTIVE, EVENTS))
            if self.now_ms() - self.committed_ms < RETENTION_MS - SLACK_MS:
                self.promises.commit_read(SIMPLE, EVENTS, await requests.committed(client, SIMPLE, EVENTS))
            else:
                self.may_go(SIMPLE)
            self.promises.check()
            return self.now_ms() - self.committed_ms > duration_ms

        return attempt

    async def leave(self, client: WireClient) -> bool:
        """Its group is empty from now on."""
        await requests.find_coordinator(client, ACTIVE)
        self.left_ms = self.now_ms()
        answer = await client.leave_group(ACTIVE, self.member_id)
        requests.require(answer.error_code)
        return True

    def still_there(self, duration_ms: int) -> Action:
        async def attempt(client: WireClient) -> bool:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self.now_ms() - self.left_ms < RETENTION_MS - SLACK_MS:
                self.promises.commit_read(ACTIVE, EVENTS, await requests.committed(client, ACTIVE, EVENTS))
                self.promises.check()
            return self.now_ms() - self.left_ms > duration_ms

        return attempt

    def expect_gone(self, group: str) -> Action:
        """For good: every later look finds nothing."""

        async def attempt(client: WireClient) -> bool:
            self.may_go(group)
            if await requests.committed(client, group, EVENTS) != NONE_COMMITTED:
                await asyncio.sleep(1)
                return False
            self.promises.commit_acknowledged(group, EVENTS, NONE_COMMITTED)
            return True

        return attempt

    def may_go(self, group: str) -> None:
        if group not in self.expiring:
            self.expiring[group] = None
            self.promises.commit_sent(group, EVENTS, NONE_COMMITTED)
