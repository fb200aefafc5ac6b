"""What the clients of a scripted run do, one thing after the other, each until it has succeeded.

Appends that roll, with acks=1 and acks=all; commits and deletions of offsets; a group's generations; DeleteRecords,
retention; topics made, grown, configured, deleted and made again under their names; a stop in good order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, encode_batch
from tests.simulation import broker_requests as requests
from tests.simulation.promises import NONE_COMMITTED, Promises, Topic
from tests.support.history import Acknowledged, Refused, Sent, Trimmed
from tests.support.wire_client import WireClient

Action = Callable[[WireClient], Awaitable[bool]]
"""True when it is done; else, and on ConnectionError and TimeoutError, it is tried again."""

TIMESTAMP_MS, TIMESTAMP_STEP_MS, SEGMENT_MS = 1_700_000_000_000, 2_000, 5_000
SEGMENTS = {"segment.ms": str(SEGMENT_MS), "segment.jitter.ms": "0", "index.interval.bytes": "0"}
BROKER, PORT = "broker", 9092
EVENTS, SYNCED, SHORT, PASSING = "events", "synced", "short", "passing"
RETENTION_BYTES = 600
GROUP, GONE, MEMBERS = "readers", "gone", "members"
UPKEEP_SECONDS = 3.5
"""All checkpoints are written and retention looks at everything once within it."""
PRODUCE_SECONDS = 3.0
DEFINITE = (ErrorCode.out_of_order_sequence_number, ErrorCode.invalid_producer_epoch)


class Sender:
    """An idempotent producer to partition 0 of one topic."""

    def __init__(self, promises: Promises, topic: Topic) -> None:
        self.promises, self.topic = promises, topic
        self.producer_id, self.sequence, self.ids = -1, 0, 0
        self.sent = 0
        self.values: list[str] = []
        self.tries = 0
        self.last: tuple[bytes, int, str] | None = None
        """Its last batch that was acknowledged, its base offset and its last value."""

    @property
    def place(self) -> tuple[str, int]:
        return self.topic.name, 0

    def send(self, count: int, acks: int) -> Action:
        """The next batch of so many records."""

        async def attempt(client: WireClient) -> bool:
            if self.producer_id < 0:
                await self.begin(client)
            if not self.values:
                self.invent(count)
            data = self.batch()
            self.tries += 1
            answer = await client.produce(self.topic.name, 0, data, acks=acks, timeout=PRODUCE_SECONDS)
            return self.settle(answer.error_code, answer.base_offset, data)

        return attempt

    async def begin(self, client: WireClient) -> None:
        answer = await client.init_producer_id()
        requests.require(answer.error_code)
        self.promises.producer_id(answer.producer_id)
        self.producer_id, self.sequence = answer.producer_id, 0
        self.ids += 1

    def invent(self, count: int) -> None:
        names = [f"{self.topic.name}-{self.sent + number}" for number in range(count)]
        self.sent += count
        self.values, self.tries = names, 0
        producer = f"{self.topic.name}/{self.ids}"
        self.topic.history.add(*(Sent(producer, self.place, value) for value in names))

    def batch(self) -> bytes:
        timestamp_ms = TIMESTAMP_MS + self.sent * TIMESTAMP_STEP_MS
        padding = b"." * (self.sent * 37 % 200)
        records = [Record(0, timestamp_ms, None, value.encode() + padding) for value in self.values]
        return encode_batch(records, producer_id=self.producer_id, producer_epoch=0, base_sequence=self.sequence)

    def settle(self, error: ErrorCode, base_offset: int, data: bytes) -> bool:
        """Whether the batch is done with."""
        values, history = self.values, self.topic.history
        if error is ErrorCode.none:
            history.add(*(Acknowledged(self.place, value, base_offset + n) for n, value in enumerate(values)))
            self.sequence += len(values)
            self.last, self.values = (data, base_offset, values[-1]), []
            return True
        if error in DEFINITE:
            if self.tries == 1:
                history.add(*(Refused(self.place, value) for value in values))
            self.producer_id, self.values, self.last = -1, [], None
            return True
        return False

    async def repeat(self, client: WireClient, present: set[str]) -> None:
        """Send the last batch once more: it is known, at the offset it has."""
        if self.last is None or self.last[2] not in present:
            return
        data, base_offset, value = self.last
        answer = await client.produce(self.topic.name, 0, data, timeout=PRODUCE_SECONDS)
        requests.require(answer.error_code)
        found = answer.base_offset
        assert found == base_offset, f"{value} was answered {base_offset} and, sent again, {found}"


class Script:
    """The actions, in order, and who sends. `stop` lets the broker stop in good order; `now_ms` is its wall clock."""

    config: ClassVar[dict[str, Any]] = {}
    """What the broker is configured with beyond the rest."""

    def __init__(self, promises: Promises, stop: Action, now_ms: Callable[[], int]) -> None:
        self.promises, self.stop, self.now_ms = promises, stop, now_ms
        self.senders: dict[str, Sender] = {}
        self.member_id = ""

    def actions(self) -> list[Action]:
        """A stop and a start in the middle."""
        return [*self.first_half(), self.stop, *self.second_half()]

    def first_half(self) -> list[Action]:
        return [
            self.create(EVENTS, 1, {}),
            *self.sends(EVENTS, 3),
            self.create(SYNCED, 1, {"flush.messages": "1"}),
            *self.sends(SYNCED, 3),
            self.commit(GROUP, EVENTS, 2),
            self.create(SHORT, 1, {"retention.bytes": str(RETENTION_BYTES), "file.delete.delay.ms": "100"}),
            self.commit(GROUP, SYNCED, 1),
            self.commit(GONE, EVENTS, 3),
            self.take_part,
            *self.sends(SHORT, 6),
            self.delete_records(EVENTS, 2),
            self.rest(UPKEEP_SECONDS),
            *self.sends(EVENTS, 2),
            self.delete_offset(GROUP, SYNCED),
            self.configure(EVENTS, "max.message.bytes", "500000"),
            self.create(PASSING, 1, {}),
            *self.sends(PASSING, 2),
            self.commit(GROUP, PASSING, 2),
            self.delete(PASSING),
            self.grow(SHORT, 2),
            self.commit(GROUP, EVENTS, 4),
            self.delete_group(GONE),
            self.create(PASSING, 2, {}),
            self.forgotten(GROUP, PASSING),
            *self.sends(PASSING, 1),
            *self.sends(SYNCED, 2),
            self.delete_records(SYNCED, 2),
        ]

    def second_half(self) -> list[Action]:
        return [
            *self.sends(SYNCED, 1),
            *self.sends(EVENTS, 3),
            self.take_part,
            self.commit(GROUP, SYNCED, 6),
            self.commit(GROUP, EVENTS, 5),
            self.delete(PASSING),
            *self.sends(SHORT, 4),
            self.delete_records(SYNCED, 4),
            self.rest(UPKEEP_SECONDS),
            *self.sends(SYNCED, 2),
            self.create(PASSING, 1, {}),
            self.commit(GROUP, EVENTS, 6),
            *self.sends(EVENTS, 1),
            self.rest(UPKEEP_SECONDS),
        ]

    # Topics

    def create(self, name: str, partitions: int, configs: dict[str, str]) -> Action:
        first = True

        async def attempt(client: WireClient) -> bool:
            nonlocal first
            wanted = SEGMENTS | configs
            if first:
                topic = self.promises.topic(name, partitions, wanted)
                self.senders[name] = Sender(self.promises, topic)
                first = False
            answer = (await client.create_topics({name: partitions}, configs=wanted)).topics[0].error_code
            if answer in (ErrorCode.none, ErrorCode.topic_already_exists):
                self.promises.topics[name].made()
                return True
            return False

        return attempt

    def delete(self, name: str) -> Action:
        async def attempt(client: WireClient) -> bool:
            topic = self.promises.topics[name]
            if topic.state == "made":
                topic.state = "deleting"
                self.promises.deleting(name)
            answer = (await client.delete_topics([name])).responses[0].error_code
            if answer in (ErrorCode.none, ErrorCode.unknown_topic_or_partition):
                topic.state = "deleted"
                return True
            return False

        return attempt

    def grow(self, name: str, partitions: int) -> Action:
        async def attempt(client: WireClient) -> bool:
            topic = self.promises.topics[name]
            topic.partitions = partitions
            answer = await requests.create_partitions(client, name, partitions)
            if answer in (ErrorCode.none, ErrorCode.invalid_partitions):
                topic.known_partitions = partitions
                return True
            return False

        return attempt

    def configure(self, name: str, key: str, value: str) -> Action:
        async def attempt(client: WireClient) -> bool:
            topic = self.promises.topics[name]
            topic.configs[key] = value
            if await requests.set_config(client, name, key, value) is ErrorCode.none:
                topic.known_configs[key] = value
                return True
            return False

        return attempt

    # Records

    def sends(self, name: str, count: int) -> list[Action]:
        """So many batches, acks=1 and acks=all in turn."""

        def send(number: int) -> Action:
            return lambda client: self.senders[name].send(1 + number % 3, -1 if number % 2 else 1)(client)

        return [send(number) for number in range(count)]

    def delete_records(self, name: str, offset: int) -> Action:
        async def attempt(client: WireClient) -> bool:
            self.promises.topics[name].history.add(Trimmed((name, 0), offset))
            answer = await requests.delete_records(client, name, 0, offset)
            if answer is ErrorCode.none:
                self.promises.topics[name].starts[0] = offset
            return answer in (ErrorCode.none, ErrorCode.offset_out_of_range)

        return attempt

    # Groups

    def commit(self, group: str, topic: str, offset: int) -> Action:
        return self.committing(group, topic, offset, lambda client: client.commit_offset(group, topic, 0, offset))

    def delete_offset(self, group: str, topic: str) -> Action:
        return self.committing(
            group, topic, NONE_COMMITTED, lambda client: requests.delete_offset(client, group, topic)
        )

    def delete_group(self, group: str) -> Action:
        return self.committing(group, EVENTS, NONE_COMMITTED, lambda client: requests.delete_group(client, group))

    def forgotten(self, group: str, topic: str) -> Action:
        """Offsets of a deleted topic go too, some time after it; where the disk refused that, at the next start."""

        async def attempt(client: WireClient) -> bool:
            if await requests.committed(client, group, topic) != NONE_COMMITTED:
                return self.promises.had_fault
            self.promises.commit_acknowledged(group, topic, NONE_COMMITTED)
            return True

        return attempt

    def committing(
        self, group: str, topic: str, offset: int, ask: Callable[[WireClient], Awaitable[ErrorCode]]
    ) -> Action:
        first = True

        async def attempt(client: WireClient) -> bool:
            nonlocal first
            await requests.find_coordinator(client, group)
            if first:
                self.promises.commit_sent(group, topic, offset)
                first = False
            error = await ask(client)
            if error in (ErrorCode.none, ErrorCode.group_id_not_found):
                self.promises.commit_acknowledged(group, topic, offset)
                return True
            return False

        return attempt

    async def take_part(self, client: WireClient) -> bool:
        """Join as the only member, be given an assignment, and leave."""
        await requests.find_coordinator(client, MEMBERS)
        joined = await client.join_group(
            MEMBERS, self.member_id, protocols={"range": b""}, session_timeout_ms=6000, rebalance_timeout_ms=1000
        )
        if joined.error_code in (ErrorCode.member_id_required, ErrorCode.unknown_member_id):
            self.member_id = joined.member_id if joined.error_code is ErrorCode.member_id_required else ""
            return False
        requests.require(joined.error_code)
        self.promises.joined(joined.generation_id)
        self.member_id = joined.member_id
        parts = {self.member_id: self.member_id.encode()}
        synced = await client.sync_group(MEMBERS, joined.generation_id, self.member_id, parts, protocol="range")
        requests.require(synced.error_code)
        assert synced.assignment == self.member_id.encode(), "the assignment of another"
        self.promises.synced(joined.generation_id)
        return True

    # The rest

    def rest(self, seconds: float) -> Action:
        async def attempt(_: WireClient) -> bool:
            await asyncio.sleep(seconds)
            return True

        return attempt
