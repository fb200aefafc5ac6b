"""A leader that does what a test says: it speaks Fetch v18 over the simulated network, with the broker's own sessions.

Its logs are lists of batches. It may answer errors, forget its sessions, send damaged records, or answer late.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from kio.schema.errors import ErrorCode

from odradek.broker.fetch_sessions import FetchContext, FetchSessions, Key
from odradek.log.epoch_cache import EpochCache
from odradek.simulation import Process
from odradek.wire.fetch import FetchPartition, FetchRequest, Layout, PartitionResult, assemble, read_request
from odradek.wire.frame import SIZE, read_request_header
from odradek.wire.produce import TopicKey
from odradek.wire.record_codec import Record, encode_batch
from odradek.wire.replica_fetch import VERSION

PORT = 9092
TIMESTAMP_MS = 1_700_000_000_000

Found = tuple[PartitionResult, bytes, bool]
"""A partition's answer, its records, and whether it is news."""


@dataclass
class Batch:
    base_offset: int
    last_offset: int
    epoch: int
    content: bytes


@dataclass
class LeaderLog:
    """One partition as a leader has it; `error` is answered instead of anything else."""

    epoch: int = 0
    batches: list[Batch] = field(default_factory=list)
    start: int = 0
    high_watermark: int = 0
    error: ErrorCode = ErrorCode.none
    is_corrupt: bool = False
    """What is sent of it has a bit flipped."""
    begins: list[tuple[int, int]] = field(default_factory=list)
    """Epochs that began with this leader, and where."""

    @property
    def end(self) -> int:
        return max(self.batches[-1].last_offset + 1 if self.batches else 0, self.start)

    def append(self, *values: str, producer: tuple[int, int] = (-1, -1)) -> None:
        """One batch; `producer` is (id, first sequence)."""
        records = [Record(0, TIMESTAMP_MS, None, value.encode()) for value in values]
        end = self.end
        content = encode_batch(
            records, base_offset=end, leader_epoch=self.epoch, producer_id=producer[0],
            producer_epoch=0 if producer[0] >= 0 else -1, base_sequence=producer[1],
        )  # fmt: skip
        self.batches.append(Batch(end, end + len(values) - 1, self.epoch, bytes(content)))

    def lead(self, epoch: int) -> None:
        self.epoch = epoch

    def epochs(self) -> EpochCache:
        cache = EpochCache()
        for batch in self.batches:
            cache.assign(batch.epoch, batch.base_offset)
        cache.assign(self.epoch, self.end)
        return cache

    def copy_to(self, offset: int) -> "LeaderLog":
        """Another broker's copy of the batches below."""
        copied = [batch for batch in self.batches if batch.last_offset < offset]
        return LeaderLog(self.epoch, copied, self.start, min(self.high_watermark, offset))

    def content(self, offset: int = 0) -> bytes:
        return b"".join(batch.content for batch in self.batches if batch.last_offset >= offset)

    def answer(self, asked: FetchPartition, max_bytes: int, *, is_first: bool) -> tuple[PartitionResult, bytes]:
        """Up to `max_bytes` of records, the last batch perhaps cut off; a first batch whole whatever its size."""
        error, diverging = self._judge(asked)
        if error is not ErrorCode.none and error is not ErrorCode.offset_out_of_range:
            return PartitionResult(asked.partition, error), b""
        result = PartitionResult(
            asked.partition, error, self.high_watermark, self.high_watermark, self.start, None, diverging
        )
        if error is not ErrorCode.none or diverging is not None:
            return result, b""
        wanted = [batch for batch in self.batches if batch.last_offset >= asked.fetch_offset]
        limit = min(asked.max_bytes, max_bytes)
        records = b"".join(batch.content for batch in wanted)
        least = len(wanted[0].content) if wanted else 0
        if least > limit:
            limit = least if is_first else 0
        records = records[:limit]
        if records and self.is_corrupt:
            records = records[:-1] + bytes((records[-1] ^ 1,))
        return result, records

    def _judge(self, asked: FetchPartition) -> tuple[ErrorCode, tuple[int, int] | None]:
        if self.error is not ErrorCode.none:
            return self.error, None
        if asked.current_leader_epoch != self.epoch:
            older = asked.current_leader_epoch < self.epoch
            return ErrorCode.fenced_leader_epoch if older else ErrorCode.unknown_leader_epoch, None
        if asked.last_fetched_epoch >= 0:
            epoch, end = self.epochs().end_offset_for(asked.last_fetched_epoch, self.end)
            if epoch < 0 or asked.fetch_offset < self.start:
                return ErrorCode.offset_out_of_range, None
            if epoch < asked.last_fetched_epoch or end < asked.fetch_offset:
                return ErrorCode.none, (epoch, end)
        in_range = self.start <= asked.fetch_offset <= self.end
        return ErrorCode.none if in_range else ErrorCode.offset_out_of_range, None


class ScriptedLeader:
    """`logs` are what it leads; `requests` what it was asked. `changed` whenever a test has changed something."""

    def __init__(self) -> None:
        self.logs: dict[Key, LeaderLog] = {}
        self.requests: list[FetchRequest] = []
        self.accepted: dict[int, tuple[int, int]] = {}
        """By partition: leader epoch and offset up to which a follower has everything, as it said."""
        self.connections = 0
        self.delay_seconds = 0.0
        self._changes = 0
        self._process: Process | None = None
        self._waiting: list[asyncio.Future[None]] = []

    async def serve(self, process: Process) -> None:
        """A process's main function; each life has new sessions."""
        self._process = process
        self._sessions = FetchSessions(10, process.host.random)
        await asyncio.start_server(self._converse, process.machine.name, PORT)
        await process.loop.create_future()

    def forget_sessions(self) -> None:
        assert self._process is not None
        self._sessions = FetchSessions(10, self._process.host.random)

    def allow_no_sessions(self) -> None:
        assert self._process is not None
        self._sessions = FetchSessions(0, self._process.host.random)

    def changed(self) -> None:
        """Answer whom this is news for."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                (size,) = SIZE.unpack(await reader.readexactly(SIZE.size))
                frame = await reader.readexactly(size)
                writer.write(await self._answer(frame))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    async def _answer(self, frame: bytes) -> bytes:
        header = read_request_header(frame, 0, len(frame))
        assert (header.api_key, header.version) == (1, VERSION)
        request = read_request(memoryview(frame), header.body, len(frame), VERSION)
        self.requests.append(request)
        assert self._process is not None
        loop = self._process.loop
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        context = self._sessions.context(request, VERSION, 0)
        ends = loop.time() + request.max_wait_ms / 1000
        while True:
            found = dict(self._results(context, request.max_bytes))
            has_news = any(news for _, _, news in found.values())
            if has_news or loop.time() >= ends or (not found and context.session is None):
                break
            waiter = loop.create_future()
            self._waiting.append(waiter)
            await asyncio.wait([waiter], timeout=ends - loop.time())
        error, session_id, keys = context.answer({key: (each[0], len(each[1])) for key, each in found.items()})
        return self._frame(header.correlation_id, error, session_id, [(key[0], *found[key][:2]) for key in keys])

    def _results(self, context: FetchContext, max_bytes: int) -> Iterator[tuple[Key, Found]]:
        left, is_first = max_bytes, True
        for topic, asked, cached in context.wanted():
            key: Key = (topic, asked.partition)
            log = self.logs.get(key)
            if log is None:
                result, records = PartitionResult(asked.partition, ErrorCode.unknown_topic_id), b""
            else:
                result, records = log.answer(asked, left, is_first=is_first)
            if not result.error_code and result.diverging is None:
                self.accepted[asked.partition] = (asked.current_leader_epoch, asked.fetch_offset)
            left -= len(records)
            is_first = is_first and not records
            told = cached is not None and (cached.high_watermark, cached.log_start_offset)
            moved = told and told != (result.high_watermark, result.log_start_offset)
            yield key, (result, records, bool(records or result.error_code or result.diverging or moved))

    def _frame(
        self,
        correlation_id: int,
        error: ErrorCode,
        session_id: int,
        found: list[tuple[TopicKey, PartitionResult, bytes]],
    ) -> bytes:
        topics: dict[TopicKey, list[tuple[PartitionResult, bytes]]] = {}
        for topic, result, records in found:
            topics.setdefault(topic, []).append((result, records))
        layout, places = Layout(VERSION, correlation_id, error, session_id, len(topics)), []
        for topic, partitions in topics.items():
            layout.add_topic(topic, len(partitions))
            places += [(layout.add_partition(result, len(records)), records) for result, records in partitions]
        parts = layout.finish()
        frame = bytearray(layout.size + SIZE.size)
        for at, records in places:
            frame[at : at + len(records)] = records
        assemble(parts, memoryview(frame))
        return bytes(frame)
