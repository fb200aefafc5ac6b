"""Clients of a simulated cluster: they keep a connection to each broker, look for leaders, and try again.

What they are told goes into the history; what no broker may ever tell them fails the run at once.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches, crc_is_valid
from tests.simulation.cluster_world import PORT, host_of
from tests.support.history import Acknowledged, History, Polled, Sent, Sought
from tests.support.wire_client import WireClient, produce_request

if TYPE_CHECKING:
    from tests.simulation.cluster_lives import ClusterLives

CONNECT_SECONDS, REQUEST_SECONDS, RETRY_SECONDS = 1.0, 3.0, 0.1
RETRIED = (ConnectionError, TimeoutError, OSError)
TIMESTAMP_MS = 1_700_000_000_000
WINDOW_MAX, BATCH_RECORDS_MAX = 5, 3
FETCH_WAIT_MS = 300

AGAIN = (
    ErrorCode.not_leader_or_follower,
    ErrorCode.not_enough_replicas,
    ErrorCode.unknown_topic_or_partition,
    ErrorCode.not_enough_replicas_after_append,
    ErrorCode.kafka_storage_error,
    ErrorCode.request_timed_out,
    ErrorCode.leader_not_available,
)
"""What a producer may be answered, and does then: none of these says whether the batch was stored."""


class Client:
    """Connections, and which broker leads what, as far as is known."""

    def __init__(self, lives: "ClusterLives", name: str) -> None:
        self.lives, self.name, self.chance = lives, name, lives.chance
        self._open: dict[int, WireClient] = {}
        self._leaders: dict[tuple[str, int], int] = {}

    @property
    def history(self) -> History:
        return self.lives.history

    async def connect(self, broker_id: int) -> WireClient:
        """Raises what is to be retried."""
        client = self._open.get(broker_id)
        if client is None or client.closed.done():
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await WireClient.connect(host_of(broker_id), PORT, client_id=self.name)
            self._open[broker_id] = client
        return client

    def drop(self, broker_id: int) -> None:
        """Whatever is still under way over this connection, nobody waits for it any more."""
        client = self._open.pop(broker_id, None)
        if client is not None:
            client.abandon()

    async def ask(self, broker_id: int, request: Any, *, seconds: float = REQUEST_SECONDS) -> Any:
        """Raises what is to be retried, having dropped the connection."""
        try:
            return await (await self.connect(broker_id)).request(request, timeout=seconds)
        except RETRIED:
            self.drop(broker_id)
            raise

    def anyone(self) -> int:
        return self.chance.choice(self.lives.ids)

    async def leader_of(self, topic: str, partition: int) -> int:
        """Raises ConnectionError when whoever was asked does not know."""
        known = self._leaders.get((topic, partition))
        if known is None:
            asked = self.anyone()
            try:
                metadata = await (await self.connect(asked)).metadata([topic], timeout=REQUEST_SECONDS)
            except RETRIED:
                self.drop(asked)
                raise
            parts = {each.partition_index: each.leader_id for each in metadata.topics[0].partitions}
            known = parts.get(partition, -1)
            if known < 0:
                raise ConnectionError(f"{topic}-{partition} has no leader")
            self._leaders[topic, partition] = known
        return known

    def forget_leader(self, topic: str, partition: int) -> None:
        self._leaders.pop((topic, partition), None)

    async def rest(self) -> None:
        await asyncio.sleep(RETRY_SECONDS * (0.5 + self.chance.random()))

    def close(self) -> None:
        for broker_id in list(self._open):
            self.drop(broker_id)


class IdempotentProducer(Client):
    """acks=all, up to five batches under way; what is not acknowledged is sent again in its order, whoever leads."""

    def __init__(self, lives: "ClusterLives", name: str, place: tuple[str, int], window: int) -> None:
        super().__init__(lives, name)
        self.place, self.window = place, window
        self.producer_id = self.epoch = -1
        self.sequence = self.number = 0
        self.is_known = False
        """A batch of it is stored."""
        self.unacknowledged: list[tuple[int, list[str]]] = []
        """First sequence and values of each batch."""

    async def run(self) -> None:
        """Until the run is over and everything is acknowledged."""
        while not self.lives.is_over or self.unacknowledged:
            try:
                if self.producer_id < 0:
                    await self._begin()
                if not self.lives.is_over:
                    self._fill()
                await self._send()
            except RETRIED:
                self.forget_leader(*self.place)
                await self.rest()
            else:
                await asyncio.sleep(self.chance.random() * self.lives.pause_s)

    async def _begin(self) -> None:
        asked = self.anyone()
        try:
            answer = await (await self.connect(asked)).init_producer_id(timeout=REQUEST_SECONDS)
        except RETRIED:
            self.drop(asked)
            raise
        if answer.error_code is not ErrorCode.none:
            raise ConnectionError(answer.error_code.name)
        self.producer_id, self.epoch = answer.producer_id, answer.producer_epoch
        self.lives.producer_id_given(self.producer_id)

    def _fill(self) -> None:
        wanted = self.chance.randint(1, self.window)
        if not self.is_known:  # Of a producer that is not, brokers take any sequence for the first, as Kafka's do.
            wanted = 1
        while len(self.unacknowledged) < wanted:
            size = self.chance.randint(1, BATCH_RECORDS_MAX)
            values = [f"{self.name}:{self.number + each}" for each in range(size)]
            self.unacknowledged.append((self.sequence, values))
            self.sequence, self.number = self.sequence + size, self.number + size
            self.history.add(*(Sent(self.name, self.place, value) for value in values))

    async def _send(self) -> None:
        """One round: everything that is not acknowledged. Raises what is to be retried."""
        leader = await self.leader_of(*self.place)
        client = await self.connect(leader)
        sent = list(self.unacknowledged)
        answers = [client.send(self._request(*batch)) for batch in sent]
        for each in answers:
            each.add_done_callback(_note)
        is_first, problem = True, ""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                for batch, answer in zip(sent, answers, strict=True):
                    part = (await answer).responses[0].partition_responses[0]
                    error = self._settle(batch, part, leader, is_first)
                    is_first = is_first and not error
                    problem = problem or error
        except RETRIED:
            self.drop(leader)
            raise
        if problem:
            raise ConnectionError(problem)

    def _request(self, sequence: int, values: list[str]) -> Any:
        records = [Record(0, TIMESTAMP_MS, None, value.encode()) for value in values]
        data = encode_batch(records, producer_id=self.producer_id, producer_epoch=self.epoch, base_sequence=sequence)
        return produce_request(*self.place, data, timeout_ms=int(REQUEST_SECONDS * 1000))

    def _settle(self, batch: tuple[int, list[str]], answer: Any, leader: int, is_first: bool) -> str:
        """The error's name, empty when the batch is done with. Behind one that failed, sequences are out of order."""
        error = answer.error_code
        if error is ErrorCode.none:
            self.is_known = True
            self.unacknowledged.remove(batch)
            self.history.add(*(Acknowledged(self.place, v, answer.base_offset + n) for n, v in enumerate(batch[1])))
            return ""
        is_odd = error is ErrorCode.out_of_order_sequence_number and (not is_first or self._was_deposed(leader))
        assert error in AGAIN or is_odd, f"{self.name} is answered {error.name} for sequence {batch[0]}"
        return str(error.name)

    def _was_deposed(self, leader: int) -> bool:
        """Its successor may have taken what it has not heard of."""
        partition = self.lives.truth().partition(*self.place)
        return partition is None or partition.leader != leader


class CarelessProducer(Client):
    """acks=0 or 1, each value once: an answer promises nothing that a change of leader may not take."""

    def __init__(self, lives: "ClusterLives", name: str, place: tuple[str, int]) -> None:
        super().__init__(lives, name)
        self.place = place

    async def run(self) -> None:
        number = 0
        while not self.lives.is_over:
            number += 1
            try:
                await self._send(f"{self.name}:{number}")
            except RETRIED:
                self.forget_leader(*self.place)
                await self.rest()
            await asyncio.sleep(self.chance.random() * 2 * self.lives.pause_s)

    async def _send(self, value: str) -> None:
        leader = await self.leader_of(*self.place)
        data = encode_batch([Record(0, TIMESTAMP_MS, None, value.encode())])
        client, acks = await self.connect(leader), self.chance.choice((0, 1, 1))
        self.history.add(Sent(value, self.place, value))
        try:
            answer = await client.produce(*self.place, data, acks=acks, timeout=REQUEST_SECONDS)
        except RETRIED:
            self.drop(leader)
            raise
        if answer is not None and answer.error_code is not ErrorCode.none:
            assert answer.error_code in AGAIN, answer.error_code.name
            raise ConnectionError(answer.error_code.name)


class Consumer(Client):
    """Reads one partition from its beginning, whoever leads it: nothing it has seen is ever taken back or changed."""

    def __init__(self, lives: "ClusterLives", name: str, place: tuple[str, int]) -> None:
        super().__init__(lives, name)
        self.place, self.position = place, 0

    async def run(self) -> None:
        self.history.add(Sought(self.name, self.place, 0))
        while not self.lives.is_over:
            try:
                await self.poll()
            except RETRIED:
                self.forget_leader(*self.place)
                await self.rest()

    async def is_at_end(self) -> bool:
        """Read on as long as anything comes; False when it has to be tried again."""
        try:
            while await self.poll():
                pass
        except RETRIED:
            self.forget_leader(*self.place)
            return False
        return True

    async def poll(self) -> bool:
        """Whether anything came."""
        leader = await self.leader_of(*self.place)
        try:
            client = await self.connect(leader)
            answer = await client.fetch(*self.place, self.position, max_wait_ms=FETCH_WAIT_MS, timeout=REQUEST_SECONDS)
        except RETRIED:
            self.drop(leader)
            raise
        error = answer.error_code
        assert error is not ErrorCode.offset_out_of_range, f"{self.name} may not read on at {self.position}"
        if error is not ErrorCode.none:
            raise ConnectionError(error.name)
        records = [each for each in decoded(answer.records) if each[0] >= self.position]
        if records:
            self.history.add(Polled(self.name, self.place, tuple(records)))
            self.position = records[-1][0] + 1
        return bool(records)


def _note(answer: "asyncio.Future[Any]") -> None:
    """Its failure is known, also when nobody waits for it any more."""
    if not answer.cancelled():
        answer.exception()


def decoded(data: Any) -> Iterable[tuple[int, str]]:
    """Offset and value of each record of whole batches; fails when one was changed on its way."""
    view = memoryview(data or b"")
    for at, header in batches(view):
        assert crc_is_valid(view, at, header), f"the batch at offset {header.base_offset} was changed on its way"
        for record in decode_batch(view[at : at + header.size]):
            yield record.offset, (record.value or b"").decode()
