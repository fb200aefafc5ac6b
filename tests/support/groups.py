"""A group coordinator on a simulated loop, over partitions kept in memory, asked through its handlers."""

import asyncio
import dataclasses
import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from io import BytesIO
from random import Random
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode
from kio.serial import entity_writer

from odradek.broker.call import Call
from odradek.cluster.image import BrokerImage, ClusterImage, ImageDelta, PartitionImage, TopicImage
from odradek.cluster.records import Endpoint
from odradek.cluster.results import NewTopic, TopicResult
from odradek.config import BrokerConfig
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.groups.coordinator import GroupCoordinator, LedPartition
from odradek.log.append import AppendResult
from odradek.replication.errors import PartitionError
from odradek.simulation import SimulatedLoop
from odradek.wire.apis import APIS
from odradek.wire.messages import read_body, types, write_response
from odradek.wire.record_codec import Record, decode_batch

WALL_MS = 1_700_000_000_000
API_KEYS = {api.name: api.key for api in APIS}
VERSIONS = {api.name: range(api.min_version, api.max_version + 1) for api in APIS}
RESPONSE_HEADER_SIZES = (8, 9)
PARTITION = PartitionImage((1,), (), (), 1, 1, 1, (1,), (1,), (), (), 1, 1, 1)


class MemoryPartition:
    """A partition of one replica. Commits can be held back; appends can fail, or wait as if for a thread."""

    def __init__(self, index: int, loop: asyncio.AbstractEventLoop) -> None:
        self.index = index
        self.loop = loop
        self.batches: list[bytes] = []
        self.log = SimpleNamespace(config=SimpleNamespace(max_message_bytes=1 << 20), log_end_offset=0)
        self.holds_commits = False
        self.is_doubtful = False
        self.holds_appends = False
        self.append_fails: Exception | ErrorCode | None = None
        self.replay_fails: Exception | None = None
        self._appends: list[tuple[bytes, asyncio.Future[AppendResult]]] = []
        self._commits: list[asyncio.Future[None]] = []

    def append(
        self, records: bytearray, *, origin: str, required_acks: int
    ) -> "AppendResult | asyncio.Future[AppendResult]":
        assert (origin, required_acks) == ("coordinator", -1)
        if isinstance(self.append_fails, Exception):
            raise self.append_fails
        if self.append_fails is not None:
            return AppendResult(self.append_fails, -1, -1, -1, 0)
        if not self.holds_appends:
            return self._append(bytes(records))
        waiter: asyncio.Future[AppendResult] = self.loop.create_future()
        self._appends.append((bytes(records), waiter))
        return waiter

    def _append(self, records: bytes) -> AppendResult:
        self.batches.append(records)
        base_offset = self.log.log_end_offset
        self.log.log_end_offset += len(decode_batch(records))
        return AppendResult(ErrorCode.none, base_offset, self.log.log_end_offset - 1, -1, 0)

    def may_be_replaced(self) -> bool:
        return self.is_doubtful

    def commit(self, last_offset: int) -> "asyncio.Future[None] | None":
        assert last_offset < self.log.log_end_offset
        if not self.holds_commits or last_offset < 0:
            return None
        self._commits.append(self.loop.create_future())
        return self._commits[-1]

    def release(self, error: ErrorCode = ErrorCode.none) -> None:
        """Let what was held back happen, or fail with the error."""
        self.holds_appends = self.holds_commits = False
        appends, self._appends = self._appends, []
        for records, appended in appends:
            if error is ErrorCode.none:
                appended.set_result(self._append(records))
            else:
                appended.set_exception(PartitionError(error, "test"))
        commits, self._commits = self._commits, []
        for commit in commits:
            if error is ErrorCode.none:
                commit.set_result(None)
            else:
                commit.set_exception(PartitionError(error, "test"))

    async def replay(self, from_offset: int, on_batch: Callable[[memoryview], None]) -> int:
        assert from_offset == 0
        if self.replay_fails is not None:
            raise self.replay_fails
        for batch in self.batches:
            await asyncio.sleep(0.001)
            on_batch(memoryview(batch))
        return int(self.log.log_end_offset)

    def records(self) -> list[Record]:
        return [record for batch in self.batches for record in decode_batch(batch)]


class MemoryCluster:
    """Metadata of one broker, number 1."""

    def __init__(self) -> None:
        endpoints = (Endpoint("PLAINTEXT", "localhost", 9092),)
        broker = BrokerImage(1, 1, "x", endpoints, None, "d", 0, False, False, 1)
        self.image = ClusterImage(revision=1, brokers=MappingProxyType({1: broker}))
        self.created: list[NewTopic] = []
        self.creation = ErrorCode.none
        self.creation_s = 0.001
        self.callbacks: list[Callable[[ImageDelta], None]] = []

    def subscribe(self, callback: Callable[[ImageDelta], None]) -> None:
        self.callbacks.append(callback)

    async def create_topics(self, topics: Sequence[NewTopic], *, validate_only: bool = False) -> Sequence[TopicResult]:
        assert not validate_only
        await asyncio.sleep(self.creation_s)
        self.created += topics
        if self.creation is ErrorCode.none:
            for topic in topics:
                self.add(topic.name, topic.num_partitions)
        return [TopicResult(topic.name, self.creation) for topic in topics]

    def add(self, name: str, partitions: int = 1, *, topic_id: UUID | None = None) -> UUID:
        topic_id = topic_id or UUID(int=1000 + self.image.revision)
        topic = TopicImage(name, topic_id, (PARTITION,) * partitions, MappingProxyType({}), 1)
        self._change({**self.image.topics, name: topic}, created=(topic,))
        return topic_id

    def delete(self, name: str) -> None:
        topics = dict(self.image.topics)
        self._change(topics, deleted=(topics.pop(name),))

    def _change(
        self,
        topics: dict[str, TopicImage],
        created: tuple[TopicImage, ...] = (),
        deleted: tuple[TopicImage, ...] = (),
    ) -> None:
        before = self.image
        by_id = {topic.topic_id: topic for topic in topics.values()}
        self.image = dataclasses.replace(before, revision=before.revision + 1, topics=topics, topics_by_id=by_id)
        delta = ImageDelta(before, self.image, created, deleted, (), (), (), False, False)
        for callback in self.callbacks:
            callback(delta)


class MemoryReplicas:
    """Leadership, given and taken by the test."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[LedPartition, bool], None]] = []
        self.led: dict[int, LedPartition] = {}

    def on_leadership(self, topic: str, listener: Callable[[LedPartition, bool], None]) -> None:
        assert topic == OFFSETS_TOPIC
        self.listeners.append(listener)
        for partition in self.led.values():
            listener(partition, True)

    def lead(self, partition: LedPartition) -> None:
        self.led[partition.index] = partition
        self._tell(partition, True)

    def resign(self, partition: LedPartition) -> None:
        del self.led[partition.index]
        self._tell(partition, False)

    def _tell(self, partition: LedPartition, is_leader: bool) -> None:
        for listener in self.listeners:
            listener(partition, is_leader)


class LoopClock:
    """The wall clock follows the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def time_ms(self) -> int:
        return WALL_MS + int(self._loop.time() * 1000)

    def stopwatch_s(self) -> float:
        return self._loop.time()

    def uptime_s(self) -> float:
        return self._loop.time()


class GroupWorld:
    """One coordinator that leads the single partition of `__consumer_offsets`; topics `t` and `u` of 4 partitions."""

    def __init__(self, seed: int = 0, **config: object) -> None:
        self.loop = SimulatedLoop(seed=seed)
        self.config = BrokerConfig.parse(
            {"offsets.topic.num.partitions": 1, **{key.replace("_", "."): value for key, value in config.items()}}
        )
        self.cluster = MemoryCluster()
        self.replicas = MemoryReplicas()
        self.partition = MemoryPartition(0, self.loop)
        self.cluster.add(OFFSETS_TOPIC)
        self.topic_ids = {name: self.cluster.add(name, 4) for name in ("t", "u")}
        self.random = Random(seed)
        self.groups = self.coordinator()

    def coordinator(self) -> GroupCoordinator:
        clock = LoopClock(self.loop)
        return GroupCoordinator(self.replicas, self.cluster, self.config, clock, self.loop, self.random)

    def run(self, scenario: Callable[["GroupWorld"], Any]) -> Any:
        """Run an async scenario with the partition led and loaded."""

        async def whole() -> Any:
            self.groups.start()
            self.replicas.lead(self.partition)
            await self.loaded()
            try:
                return await scenario(self)
            finally:
                await self.groups.stop()

        return self.loop.run_until_complete(whole())

    async def loaded(self) -> None:
        while self.groups.groups() is ErrorCode.coordinator_load_in_progress:  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def reload(self) -> None:
        """Another coordinator takes over what is stored."""
        self.replicas.resign(self.partition)
        self.replicas.lead(self.partition)
        await self.loaded()

    async def ask(self, api: str, version: int, *, client: str = "client", **fields: Any) -> Any:
        """One request through its handler. Request and response go through their bytes."""
        key = API_KEYS[api]
        encoded = _encode_request(api, version, fields)
        request = read_body(key, version, encoded, 0, len(encoded))
        call = Call(request, key, version, 1, client, "127.0.0.1", "PLAINTEXT", types(key, version))
        handler: Any = import_module(f"odradek.broker.handlers.{api}")
        response = handler.handle(SimpleNamespace(node_id=1, groups=self.groups, cluster=self.cluster), call)
        if inspect.isawaitable(response):
            response = await response
        assert write_response(key, version, 1, response)
        return response


def _encode_request(api: str, version: int, fields: dict[str, Any]) -> bytes:
    """Fields that the version lacks are dropped; nested dictionaries become its nested classes."""
    module = import_module(f"kio.schema.{api}.v{version}.request")
    name = "".join(part.capitalize() for part in api.split("_")) + "Request"
    entity = build(module, getattr(module, name), fields)
    body = BytesIO()
    entity_writer(type(entity))(body, entity)
    return body.getvalue()


def build(module: Any, cls: Any, fields: dict[str, Any]) -> Any:
    """An instance of a request's class from plain values."""
    nested = {field.name: _item_class(module, field) for field in dataclasses.fields(cls) if _item_class(module, field)}
    known = {field.name for field in dataclasses.fields(cls)}
    values = {}
    for name, value in fields.items():
        if name not in known:
            continue
        if name in nested and value is not None:
            value = tuple(build(module, nested[name], item) for item in value)
        elif isinstance(value, list):
            value = tuple(value)
        values[name] = value
    return cls(**values)


def _item_class(module: Any, field: Any) -> Any:
    """The class of a tuple field's items where that is one of the module's own."""
    for name, member in vars(module).items():
        is_own = dataclasses.is_dataclass(member) and getattr(member, "__module__", "") == module.__name__
        if is_own and any(argument is member for argument in _arguments(field.type)):
            return module.__dict__[name]
    return None


def _arguments(annotation: Any) -> list[Any]:
    found = [annotation]
    for argument in getattr(annotation, "__args__", ()):
        found += _arguments(argument)
    return found
