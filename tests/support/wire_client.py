"""A small Kafka client on kio's schemas and plain asyncio: it runs on real loops and on the simulated one.

    client = await WireClient.connect("127.0.0.1", 9092)
    response = await client.request(client.schema("metadata", 12, "request").MetadataRequest(...))
    answer = await client.produce("topic", 0, batch)

Requests may be sent one after the other without waiting: responses find theirs by correlation id. Every failure of
the connection fails all that wait, with ConnectionError.
"""

import asyncio
import struct
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any, Self

from kio.serial import entity_reader, entity_writer

SIZE = struct.Struct(">i")
REQUEST_TIMEOUT_SECONDS = 30.0
FETCH_VERSION, PRODUCE_VERSION = 12, 9


@cache
def schema(api: str, version: int, direction: str = "request") -> ModuleType:
    """kio's module of one API version: `schema("fetch", 12).FetchRequest`."""
    return import_module(f"kio.schema.{api}.v{version}.{direction}")


class WireClient(asyncio.Protocol):
    """One connection. `api_names` are kio's package names."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.closed = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: dict[int, tuple[type[Any], asyncio.Future[Any]]] = {}
        self._correlation_id = 0

    @classmethod
    async def connect(cls, host: str, port: int, *, client_id: str = "wire-client") -> Self:
        """Raises OSError (refused, timed out, unknown name)."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: cls(client_id), host, port)
        return protocol

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        await self.closed

    def abandon(self) -> None:
        """Close without waiting for anything; what was sent is still on its way."""
        if self._transport is not None:
            self._transport.close()

    # Requests

    def send(self, entity: Any) -> asyncio.Future[Any]:
        """Send a request now; the future is its response. The entity knows its API key and version."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._transport is None or self._transport.is_closing():
            future.set_exception(ConnectionResetError("the connection is closed"))
            return future
        self._correlation_id += 1
        self._waiting[self._correlation_id] = (_response_class(type(entity)), future)
        self._transport.write(self._frame(entity, self._correlation_id))
        return future

    async def request(self, entity: Any, *, timeout: float = REQUEST_TIMEOUT_SECONDS) -> Any:
        """Send and wait for the response. Raises ConnectionError, TimeoutError (the outcome is then unknown)."""
        async with asyncio.timeout(timeout):
            return await self.send(entity)

    def send_without_answer(self, entity: Any) -> None:
        """For a Produce with acks=0."""
        assert self._transport is not None
        self._correlation_id += 1
        self._transport.write(self._frame(entity, self._correlation_id))

    # The data plane

    async def produce(
        self, topic: str, partition: int, records: bytes, *, acks: int = -1, timeout: float = REQUEST_TIMEOUT_SECONDS
    ) -> Any:
        """The partition's part of the ProduceResponse."""
        entity = produce_request(topic, partition, records, acks=acks)
        if acks == 0:
            self.send_without_answer(entity)
            return None
        response = await self.request(entity, timeout=timeout)
        return response.responses[0].partition_responses[0]

    async def fetch(
        self,
        topic: str,
        partition: int,
        offset: int,
        *,
        max_wait_ms: int = 500,
        min_bytes: int = 1,
        max_bytes: int = 1 << 20,
        timeout: float = REQUEST_TIMEOUT_SECONDS,
    ) -> Any:
        """The partition's part of the FetchResponse (no session)."""
        fetch = schema("fetch", FETCH_VERSION)
        part = fetch.FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
        entity = fetch.FetchRequest(
            max_wait=timedelta(milliseconds=max_wait_ms),
            min_bytes=min_bytes,
            max_bytes=max_bytes,
            topics=(fetch.FetchTopic(topic=topic, partitions=(part,)),),
            forgotten_topics_data=(),
        )
        response = await self.request(entity, timeout=timeout)
        return response.responses[0].partitions[0] if response.responses else response

    async def list_offset(self, topic: str, partition: int, timestamp: int = -1) -> Any:
        """The partition's part of the ListOffsetsResponse; -1 latest, -2 earliest."""
        api = schema("list_offsets", 7)
        part = api.ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
        topics = (api.ListOffsetsTopic(name=topic, partitions=(part,)),)
        response = await self.request(api.ListOffsetsRequest(replica_id=-1, isolation_level=0, topics=topics))
        return response.topics[0].partitions[0]

    async def init_producer_id(self, *, timeout: float = REQUEST_TIMEOUT_SECONDS) -> Any:
        """For an idempotent producer without transactions."""
        api = schema("init_producer_id", 4)
        entity = api.InitProducerIdRequest(transactional_id=None, transaction_timeout=timedelta(seconds=60))
        return await self.request(entity, timeout=timeout)

    # Topics

    async def metadata(self, topics: Sequence[str] | None = None, *, timeout: float = REQUEST_TIMEOUT_SECONDS) -> Any:
        api = schema("metadata", 12)
        wanted = None if topics is None else tuple(api.MetadataRequestTopic(topic_id=None, name=t) for t in topics)
        return await self.request(
            api.MetadataRequest(
                topics=wanted, allow_auto_topic_creation=False, include_topic_authorized_operations=False
            ),
            timeout=timeout,
        )

    async def create_topics(
        self, topics: Mapping[str, int], *, configs: Mapping[str, str] | None = None, replication_factor: int = 1
    ) -> Any:
        """Topics by name with their number of partitions, all with the same configs."""
        api = schema("create_topics", 7)
        settings = tuple(api.CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items())
        wanted = tuple(
            api.CreatableTopic(
                name=name,
                num_partitions=partitions,
                replication_factor=replication_factor,
                assignments=(),
                configs=settings,
            )
            for name, partitions in topics.items()
        )
        return await self.request(api.CreateTopicsRequest(topics=wanted, timeout=timedelta(seconds=30)))

    async def delete_topics(self, names: Sequence[str]) -> Any:
        api = schema("delete_topics", 6)
        topics = tuple(api.DeleteTopicState(name=name, topic_id=None) for name in names)
        return await self.request(api.DeleteTopicsRequest(topics=topics, timeout=timedelta(seconds=30)))

    # Groups

    async def find_coordinator(self, group: str) -> Any:
        api = schema("find_coordinator", 4)
        response = await self.request(api.FindCoordinatorRequest(coordinator_keys=(group,)))
        return response.coordinators[0]

    async def join_group(
        self,
        group: str,
        member_id: str = "",
        *,
        protocols: Mapping[str, bytes],
        session_timeout_ms: int = 10_000,
        rebalance_timeout_ms: int = 30_000,
        instance_id: str | None = None,
    ) -> Any:
        api = schema("join_group", 9)
        return await self.request(
            api.JoinGroupRequest(
                group_id=group,
                member_id=member_id,
                group_instance_id=instance_id,
                session_timeout=timedelta(milliseconds=session_timeout_ms),
                rebalance_timeout=timedelta(milliseconds=rebalance_timeout_ms),
                protocol_type="consumer",
                protocols=tuple(api.JoinGroupRequestProtocol(name=n, metadata=m) for n, m in protocols.items()),
            ),
            timeout=rebalance_timeout_ms / 1000 + REQUEST_TIMEOUT_SECONDS,
        )

    async def sync_group(
        self, group: str, generation: int, member_id: str, assignments: Mapping[str, bytes], *, protocol: str
    ) -> Any:
        api = schema("sync_group", 5)
        parts = tuple(api.SyncGroupRequestAssignment(member_id=m, assignment=a) for m, a in assignments.items())
        return await self.request(
            api.SyncGroupRequest(
                group_id=group,
                generation_id=generation,
                member_id=member_id,
                protocol_type="consumer",
                protocol_name=protocol,
                assignments=parts,
            )
        )

    async def heartbeat(self, group: str, generation: int, member_id: str) -> Any:
        api = schema("heartbeat", 4)
        return await self.request(api.HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id))

    async def leave_group(self, group: str, member_id: str) -> Any:
        api = schema("leave_group", 4)
        members = (api.MemberIdentity(member_id=member_id, group_instance_id=None),)
        return await self.request(api.LeaveGroupRequest(group_id=group, members=members))

    async def commit_offset(
        self, group: str, topic: str, partition: int, offset: int, *, generation: int = -1, member_id: str = ""
    ) -> Any:
        """The partition's error code in the OffsetCommitResponse."""
        api = schema("offset_commit", 8)
        part = api.OffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata=None
        )
        response = await self.request(
            api.OffsetCommitRequest(
                group_id=group,
                generation_id_or_member_epoch=generation,
                member_id=member_id,
                topics=(api.OffsetCommitRequestTopic(name=topic, partitions=(part,)),),
            )
        )
        return response.topics[0].partitions[0].error_code

    async def committed_offset(self, group: str, topic: str, partition: int) -> Any:
        """The group's part of the OffsetFetchResponse."""
        api = schema("offset_fetch", 8)
        topics = (api.OffsetFetchRequestTopics(name=topic, partition_indexes=(partition,)),)
        response = await self.request(
            api.OffsetFetchRequest(groups=(api.OffsetFetchRequestGroup(group_id=group, topics=topics),))
        )
        return response.groups[0]

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= SIZE.size:
            end = SIZE.size + SIZE.unpack_from(self._received)[0]
            if len(self._received) < end:
                return
            frame = bytes(self._received[SIZE.size : end])
            del self._received[:end]
            self._dispatch(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        waiting, self._waiting = self._waiting, {}
        for _, future in waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError(f"connection lost: {exc}"))
        if not self.closed.done():
            self.closed.set_result(None)

    def _dispatch(self, frame: bytes) -> None:
        correlation_id = SIZE.unpack_from(frame)[0]
        response_class, future = self._waiting.pop(correlation_id)
        _, header_size = entity_reader(response_class.__header_schema__)(frame, 0)
        entity, _ = entity_reader(response_class)(frame, header_size)
        if not future.done():
            future.set_result(entity)

    def _frame(self, entity: Any, correlation_id: int) -> bytes:
        kind = type(entity)
        header = kind.__header_schema__(
            request_api_key=kind.__api_key__,
            request_api_version=kind.__version__,
            correlation_id=correlation_id,
            client_id=self.client_id,
        )
        out = BytesIO()
        entity_writer(type(header))(out, header)
        entity_writer(kind)(out, entity)
        content = out.getvalue()
        return SIZE.pack(len(content)) + content


def produce_request(topic: str, partition: int, records: bytes, *, acks: int = -1, timeout_ms: int = 30_000) -> Any:
    """A ProduceRequest with one batch set for one partition."""
    api = schema("produce", PRODUCE_VERSION)
    part = api.PartitionProduceData(index=partition, records=records)
    data = (api.TopicProduceData(name=topic, partition_data=(part,)),)
    return api.ProduceRequest(acks=acks, timeout=timedelta(milliseconds=timeout_ms), topic_data=data)


def _response_class(request_class: type[Any]) -> type[Any]:
    module = import_module(request_class.__module__.removesuffix("request") + "response")
    found: type[Any] = getattr(module, request_class.__name__.removesuffix("Request") + "Response")
    return found
