"""A whole broker that dies and comes back while clients produce, consume and commit; their history is checked.

The clients live on another machine and never die. The broker dies in the middle of an append, at a drawn I/O
step (roll, flush, checkpoint, topic creation, offset commit ...) or at a drawn time, of either kind of crash.
"""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.broker import Broker
from odradek.config import BrokerConfig
from odradek.log.health import SLOW_WRITES
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.simulation import CrashKind, Machine, Process, World
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid
from tests.simulation import broker_actors
from tests.support.history import (
    Acknowledged,
    CaughtUp,
    CommitAcknowledged,
    CommitRefused,
    CommitSent,
    CommittedRead,
    Crashed,
    Final,
    History,
    Polled,
    Refused,
    Sent,
    Sought,
)
from tests.support.wire_client import WireClient

BROKER, CLIENT, PORT, DIRECTORY = "broker", "client", 9092, "/data"
TOPIC, PARTITIONS, GROUP = "events", 2, "readers"
PRODUCERS, BATCHES, BATCH_RECORDS_MAX = 3, 15, 4
CRASHES, CRASH_STEPS_MAX, CRASH_WRITES_MAX = 3, 120, 8
LOGS = f"{DIRECTORY}/{TOPIC}-*.log"
REQUEST_SECONDS, RETRY_SECONDS, QUIET_SECONDS = 3.0, 0.2, 0.5
SETTLE_SECONDS_MAX = 120.0
STEPS_MAX = 600_000
TWICE_CHANCE, LEADER_ACKS_CHANCE = 0.3, 0.3

DEFINITE = (ErrorCode.out_of_order_sequence_number, ErrorCode.invalid_producer_epoch, ErrorCode.message_too_large)
"""Errors of Produce that say: this attempt has stored nothing."""
RETRIED = (ConnectionError, TimeoutError, OSError)


class BrokerLives:
    """One world: the broker's lives, the clients, and what they saw."""

    def __init__(self, seed: int, *, synced: bool, replay: str | None = None) -> None:
        self.world = World(seed, replay=replay)
        self.chance = Random(f"{seed} broker lives")
        self.synced = synced
        self.history = History()
        self.metadata = MemoryServer()
        self.machine: Machine = self.world.machine(BROKER)
        self.machine.disk.make_directories(DIRECTORY)
        self.done = False
        self.values = 0
        self.broker: Broker | None = None
        self.generation = 0
        """The largest of the group "members" that a member was given its assignment in."""
        self.generation_lost = -1
        """A power loss may have taken generations up to this one."""
        self.leader_epochs: dict[int, int] = {}
        self.request_timeout = timedelta(seconds=REQUEST_SECONDS)

    def run(self) -> str:
        """The digest. Raises AssertionError with the violations."""
        with self.world as world:
            self.start_broker()
            world.run(self.clients, on=CLIENT, steps_max=STEPS_MAX)
            world.check()
            violations = self.history.violations()
            assert not violations, "; ".join(map(str, violations))
            return world.digest

    # The broker

    def start_broker(self) -> None:
        self.machine.start(self.serve)

    async def serve(self, process: Process) -> None:
        broker = Broker(process.host, process.loop, self.config(), MemoryStore(self.metadata))
        self.broker = broker
        await broker.start()
        raise await broker.failed

    def slow_down(self) -> None:
        """Let the broker believe that writes wait for the disk: it writes through threads for a while."""
        if self.broker is not None and self.machine.process is not None:
            for health in self.broker.logs.healths.values():
                for _ in range(SLOW_WRITES):
                    self.broker.logs.write_stalled(health, self.broker.loop.time())

    def may_lose(self, generation: int) -> bool:
        return generation <= self.generation_lost

    def config(self) -> BrokerConfig:
        values: dict[str, Any] = {
            "node.id": 1,
            "log.dirs": DIRECTORY,
            "listeners": f"PLAINTEXT://{BROKER}:{PORT}",
            "offsets.topic.num.partitions": 2,
            "odradek.disk.reserve.bytes": 0,
            "group.initial.rebalance.delay.ms": 0,
        }
        if self.synced:
            values["log.flush.interval.messages"] = 1
        return BrokerConfig.parse(values)

    async def cause_crashes(self) -> None:
        for _ in range(CRASHES):
            kind: CrashKind = self.chance.choice(("process", "power"))
            disk = self.machine.disk
            if self.chance.random() < 0.5:
                disk.crash_on("pwritev", LOGS, kind, skip=self.chance.randrange(CRASH_WRITES_MAX))
            else:
                disk.crash_at(disk.steps + self.chance.randint(1, CRASH_STEPS_MAX), kind)
            await asyncio.sleep(self.chance.uniform(0.05, 3.0))
            if self.machine.process is not None:
                self.machine.crash(kind)
            await asyncio.sleep(QUIET_SECONDS)  # what is under way arrives, and was answered by the dead broker
            self.history.add(Crashed(loses_suffix=kind == "power" and not self.synced))
            if kind == "power" and not self.synced:
                self.generation_lost = self.generation
            disk.crash_at(1 << 60, kind)
            disk.capacity_bytes = None
            self.start_broker()
            await self.until_done(self.note_leader_epochs)
            await asyncio.sleep(self.chance.uniform(0.0, 2.0))

    async def note_leader_epochs(self, client: WireClient) -> bool:
        """Whoever led before the crash is told apart from who leads now."""
        answer = await client.metadata([TOPIC])
        if any(part.error_code is not ErrorCode.none for part in answer.topics[0].partitions):
            return False
        for part in answer.topics[0].partitions:
            before = self.leader_epochs.get(part.partition_index, -1)
            assert part.leader_epoch > before, f"partition {part.partition_index} is led in epoch {before} again"
            self.leader_epochs[part.partition_index] = part.leader_epoch
        return len(answer.topics[0].partitions) == PARTITIONS

    # The clients

    async def clients(self, process: Process) -> None:
        await self.until_done(self.create_topic)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.cause_crashes())
            group.create_task(broker_actors.cause_faults(self, BROKER, CLIENT, LOGS))
            group.create_task(broker_actors.commit_offsets(self, TOPIC))
            group.create_task(broker_actors.come_and_go(self))
            group.create_task(broker_actors.delete_records(self, TOPIC, 1))
            for number in range(2):
                group.create_task(broker_actors.be_a_member(self, f"member-{number}"))
            producers = [group.create_task(self.produce(number)) for number in range(PRODUCERS)]
            consumers = [group.create_task(self.consume(f"consumer-{p}", p)) for p in range(PARTITIONS)]
            await asyncio.wait(producers)
            self.done = True
            await asyncio.wait(consumers)
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            await self.until_done(self.read_everything)

    async def until_done(self, action: Any) -> None:
        """Do it over a new connection, again and again until it succeeds."""
        while True:
            try:
                async with await WireClient.connect(BROKER, PORT) as client:
                    if await action(client):
                        return
            except RETRIED:
                pass
            await asyncio.sleep(RETRY_SECONDS)

    async def committed(self, client: WireClient, group: str, topic: str) -> int:
        return await committed(client, 0, group, topic)

    async def fetch(
        self, client: WireClient, topic: str, partition: int, position: int
    ) -> list[tuple[int, str]] | None:
        return await fetch(client, partition, position, topic)

    async def create_topic(self, client: WireClient) -> bool:
        response = await client.create_topics({TOPIC: PARTITIONS}, configs={"segment.bytes": "1048576"})
        return response.topics[0].error_code in (ErrorCode.none, ErrorCode.topic_already_exists)

    # Producing

    async def produce(self, number: int) -> None:
        """An idempotent producer: retries a batch until it knows what became of it, or starts anew with a new id."""
        producer = IdempotentProducer(self, f"producer-{number}", number % PARTITIONS)
        for _ in range(BATCHES):
            await producer.send(self.new_values(f"p{number}"))
            await asyncio.sleep(self.chance.uniform(0.0, 0.5))

    def new_values(self, prefix: str) -> list[str]:
        count = self.chance.randint(1, BATCH_RECORDS_MAX)
        self.values += count
        return [f"{prefix}-{self.values - count + number}" for number in range(count)]

    # Consuming

    async def consume(self, name: str, partition: int) -> None:
        """Read from the committed offset on, commit now and then, until the producers are done."""
        consumer = Consumer(self, name, partition)
        await self.until_done(consumer.poll_until_done)

    async def read_everything(self, client: WireClient) -> bool:
        """Each partition from its start to its end, and the committed offsets."""
        for partition in range(PARTITIONS):
            place = (TOPIC, partition)
            end = (await client.list_offset(TOPIC, partition, -1)).offset
            start = (await client.list_offset(TOPIC, partition, -2)).offset
            if min(start, end) < 0:
                return False
            records: list[tuple[int, str]] = []
            position = start
            while position < end:
                found = await fetch(client, partition, position)
                if not found:
                    return False
                records += found
                position = found[-1][0] + 1
            reader = "final"
            self.history.add(Sought(reader, place, start), Polled(reader, place, tuple(records)))
            self.history.add(CaughtUp(reader, place), Final(place, start, tuple(records)))
            self.history.add(CommittedRead(GROUP, place, await committed(client, partition)))
        self.history.add(CommittedRead("committer", (TOPIC, 0), await committed(client, 0, "committer")))
        return True


class IdempotentProducer:
    """Knows its id, epoch and sequence; loses them when the broker refuses the sequence."""

    def __init__(self, lives: BrokerLives, name: str, partition: int) -> None:
        self.lives, self.name, self.partition = lives, name, partition
        self.producer_id, self.epoch, self.sequence = -1, -1, 0
        self.generation = 0

    async def send(self, values: list[str]) -> None:
        self.values, self.tries = values, 0
        await self.lives.until_done(self.attempt)

    async def attempt(self, client: WireClient) -> bool:
        if self.producer_id < 0:
            answer = await client.init_producer_id()
            if answer.error_code is not ErrorCode.none:
                return False
            self.producer_id, self.epoch, self.sequence = answer.producer_id, answer.producer_epoch, 0
            self.generation += 1
        place, history = (TOPIC, self.partition), self.lives.history
        if self.tries == 0:
            history.add(*(Sent(f"{self.name}/{self.generation}", place, value) for value in self.values))
        self.tries += 1
        records = [Record(0, 1_700_000_000_000, None, value.encode()) for value in self.values]
        data = encode_batch(
            records, producer_id=self.producer_id, producer_epoch=self.epoch, base_sequence=self.sequence
        )
        acks = 1 if self.lives.chance.random() < LEADER_ACKS_CHANCE else -1
        if self.lives.chance.random() < TWICE_CHANCE:
            self.tries += 1
            return self.settle(await self.produce_twice(client, data, acks))
        answer = await client.produce(TOPIC, self.partition, data, acks=acks, timeout=REQUEST_SECONDS)
        return self.settle(answer)

    async def produce_twice(self, client: WireClient, data: bytes, acks: int) -> Any:
        """An impatient producer sends the batch again over another connection; either answer is a promise."""
        async with await WireClient.connect(BROKER, PORT) as other:
            attempts = [
                asyncio.ensure_future(each.produce(TOPIC, self.partition, data, acks=acks, timeout=REQUEST_SECONDS))
                for each in (client, other)
            ]
            try:
                return await next(asyncio.as_completed(attempts))
            finally:
                for attempt in attempts:
                    attempt.cancel()
                await asyncio.gather(*attempts, return_exceptions=True)

    def settle(self, answer: Any) -> bool:
        """Whether the batch is done with."""
        place, history = (TOPIC, self.partition), self.lives.history
        if answer.error_code is ErrorCode.none:
            history.add(*(Acknowledged(place, v, answer.base_offset + n) for n, v in enumerate(self.values)))
            self.sequence += len(self.values)
            return True
        if answer.error_code in DEFINITE:
            if self.tries == 1:
                history.add(*(Refused(place, value) for value in self.values))
            self.producer_id = -1
            return True
        return False


class Consumer:
    """One member's reading of one partition, with commits of its own."""

    def __init__(self, lives: BrokerLives, name: str, partition: int) -> None:
        self.lives, self.name, self.partition = lives, name, partition
        self.position = -1

    async def poll_until_done(self, client: WireClient) -> bool:
        """True once the producers are done and the end was reached."""
        place, history = (TOPIC, self.partition), self.lives.history
        if self.position < 0:
            self.position = (await client.list_offset(TOPIC, self.partition, -2)).offset
            history.add(Sought(self.name, place, self.position))
        while self.position >= 0:
            was_done = self.lives.done
            records = await fetch(client, self.partition, self.position)
            if records is None:
                self.position = -1
            elif records:
                history.add(Polled(self.name, place, tuple(records)))
                self.position = records[-1][0] + 1
                if self.lives.chance.random() < 0.3:
                    await self.commit(client)
            elif was_done:
                history.add(CaughtUp(self.name, place))
                return True
        return False

    async def commit(self, client: WireClient) -> None:
        place, history = (TOPIC, self.partition), self.lives.history
        history.add(CommittedRead(GROUP, place, await committed(client, self.partition)))
        history.add(CommitSent(GROUP, place, self.position))
        error = await client.commit_offset(GROUP, TOPIC, self.partition, self.position)
        if error is ErrorCode.none:
            history.add(CommitAcknowledged(GROUP, place, self.position))
        elif error in (ErrorCode.not_coordinator, ErrorCode.coordinator_load_in_progress):
            history.add(CommitRefused(GROUP, place, self.position))


async def fetch(client: WireClient, partition: int, position: int, topic: str = TOPIC) -> list[tuple[int, str]] | None:
    """Records from the position on; None when it is out of range. Raises ConnectionError for what is to be retried."""
    ahead = asyncio.ensure_future(client.fetch(topic, partition, position, max_wait_ms=0, timeout=REQUEST_SECONDS))
    try:
        answer = await client.fetch(topic, partition, position, max_wait_ms=200, timeout=REQUEST_SECONDS)
    finally:
        await asyncio.gather(ahead, return_exceptions=True)
    answer = ahead.result() if ahead.result().records else answer
    if answer.error_code is ErrorCode.offset_out_of_range:
        return None
    if answer.error_code is not ErrorCode.none:
        raise ConnectionError(answer.error_code.name)
    view = memoryview(answer.records or b"")
    for at, header in batches(view):
        assert crc_is_valid(view, at, header), f"the batch at offset {header.base_offset} was changed on its way"
    found = [record for at, header in batches(view) for record in decode_batch(view[at : at + header.size])]
    return [(record.offset, (record.value or b"").decode()) for record in found if record.offset >= position]


async def committed(client: WireClient, partition: int, group: str = GROUP, topic: str = TOPIC) -> int:
    """The group's offset, -1 for none. Raises ConnectionError while there is no coordinator."""
    coordinator = await client.find_coordinator(group)
    if coordinator.error_code is not ErrorCode.none:
        raise ConnectionError(coordinator.error_code.name)
    if not topic:
        return -1
    answer = await client.committed_offset(group, topic, partition)
    errors = [answer.error_code, *(part.error_code for topic in answer.topics for part in topic.partitions)]
    if any(error is not ErrorCode.none for error in errors):
        raise ConnectionError(str(errors))
    offset: int = answer.topics[0].partitions[0].committed_offset
    return offset
