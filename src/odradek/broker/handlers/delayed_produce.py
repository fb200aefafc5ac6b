"""A produce request that is not answered in one go: several partitions, errors, waiting."""

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.broker.delayed import DelayedResponse, Response
from odradek.broker.handlers import produce
from odradek.broker.handlers.current_leader import current_leader
from odradek.broker.handlers.data_host import DataHost
from odradek.config import TopicConfig
from odradek.log.append import AppendRefusal, AppendResult
from odradek.log.errors import LogError
from odradek.log.preparation import prepare
from odradek.replication.errors import PartitionError
from odradek.replication.partition import Partition
from odradek.wire.frame import RequestHeader
from odradek.wire.produce import (
    FIRST_WITH_LEADERS,
    NodeEndpoint,
    PartitionData,
    PartitionResponse,
    ProduceRequest,
    TopicKey,
    read_request,
    write_response,
)

if TYPE_CHECKING:
    from odradek.broker.connection import Connection

logger = logging.getLogger(__name__)


OF_PRODUCERS = (ErrorCode.out_of_order_sequence_number, ErrorCode.invalid_producer_epoch)
"""Errors that end a producer, and rest on what this broker knows of it."""


class DelayedProduce(DelayedResponse):
    """Collects what each partition answers. Order of use: `append_all` or `add`s, then `finished_adding`.

    Partitions whose answer has not come within the request's timeout are answered with REQUEST_TIMED_OUT: what was
    appended stays.
    """

    __slots__ = (
        "_broker",
        "_header",
        "_pending",
        "_prepared",
        "_request",
        "_responses",
        "_task",
        "_timer",
        "exclusive",
    )

    def __init__(
        self, broker: DataHost, connection: "Connection", header: RequestHeader, request: ProduceRequest
    ) -> None:
        super().__init__(connection)
        self.exclusive = False
        self._broker = broker
        self._header = header
        self._request = request
        self._responses: list[tuple[TopicKey, PartitionResponse]] = []
        self._pending: dict[int, None] = {}
        """Positions in `_responses` that may still change."""
        self._prepared: dict[int, TopicConfig | AppendRefusal] = {}
        """By position in the request: for what the records have been checked, or why they are refused."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    # -- appending ------------------------------------------------------------------------------------------------

    def append_all(self) -> None:
        """Append every partition's records."""
        place = 0
        for key, partitions in self._request.topics:
            for data in partitions:
                partition = produce.find_partition(self._broker, key, data.partition)
                appended = produce.append(partition, data, self._header, self._acks, self._prepared.get(place))
                self.add(key, data.partition, partition, appended)
                place += 1

    def refuse_all(self, error: ErrorCode) -> None:
        """The same error for every partition; nothing is appended."""
        for key, partitions in self._request.topics:
            for index, _ in partitions:
                self.add(key, index, error, PartitionResponse(index, error))

    def add(self, key: TopicKey, index: int, partition: Partition | ErrorCode, appended: produce.Appended) -> None:
        """One partition's outcome."""
        place = len(self._responses)
        if isinstance(appended, PartitionResponse):
            self._responses.append((key, appended))
        elif isinstance(appended, AppendResult):
            assert isinstance(partition, Partition)
            self._responses.append((key, response_of(index, partition, appended)))
            self._await_commit(place, partition, appended)
        else:
            self._responses.append((key, PartitionResponse(index, ErrorCode.request_timed_out)))
            self._pending[place] = None
            assert isinstance(partition, Partition)
            appended.add_done_callback(partial(self._appended, place, partition))

    def finished_adding(self) -> Response | DelayedResponse:
        """The response when it is complete already, else itself."""
        if not self._pending:
            return self._encode()
        if self._acks == 0:
            return None
        timeout_ms = max(self._request.timeout_ms, 0)
        self._request = self._request._replace(topics=[])  # Of the records, which may lie in a large buffer.
        self._timer = self._broker.loop.call_later(timeout_ms / 1000, self._expire)
        return self

    def prepare_first(self, body: bytes) -> DelayedResponse:
        """Check and compress in the executor, then append; meanwhile the connection's next requests wait, in order."""
        self.exclusive = True
        self._task = self._broker.loop.create_task(self._prepare_all(body))
        self._task.add_done_callback(self._all_prepared)
        return self

    async def _prepare_all(self, body: bytes) -> None:
        copy = memoryview(bytearray(body))
        request = read_request(copy, 0, len(copy), self._header.version)
        topics: list[tuple[TopicKey, list[PartitionData]]] = []
        place = 0
        for key, partitions in request.topics:
            topics.append((key, []))
            for data in partitions:
                topics[-1][1].append(await self._prepare(place, key, data))
                place += 1
        self._request = request._replace(topics=topics)

    async def _prepare(self, place: int, key: TopicKey, data: PartitionData) -> PartitionData:
        """The batch to append, and in `_prepared` what has become of it."""
        partition = produce.find_partition(self._broker, key, data.partition)
        if not isinstance(partition, Partition) or not produce.is_to_prepare(self._broker, partition, data.records):
            return data
        config, now_ms = partition.log.config, self._broker.host.clock.time_ms()
        assert data.records is not None
        async with self._broker.recompression:
            prepared = await self._broker.loop.run_in_executor(None, prepare, data.records, config, now_ms)
        if isinstance(prepared, AppendRefusal):
            self._prepared[place] = prepared
            return data
        self._prepared[place] = config
        return data._replace(records=prepared)

    def _all_prepared(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            self.connection.close("the broker is stopping")
            return
        if (error := task.exception()) is not None:
            self.connection.failed(error)
            return
        self.exclusive = False
        self.append_all()
        response = self.finished_adding()
        if response is not self:
            self.complete(response)  # type: ignore[arg-type]
        else:
            self.connection.unblocked()

    # -- waiting --------------------------------------------------------------------------------------------------

    @property
    def _acks(self) -> int:
        return self._request.acks

    def _appended(self, place: int, partition: Partition, future: "asyncio.Future[AppendResult]") -> None:
        error = future.exception()
        if place not in self._pending:  # The write took longer than the client waits.
            return
        del self._pending[place]
        key, before = self._responses[place]
        if error is None:
            result = future.result()
            self._responses[place] = key, response_of(before.partition, partition, result)
            self._await_commit(place, partition, result)
        elif isinstance(error, LogError):
            failed = PartitionResponse(before.partition, ErrorCode.kafka_storage_error, error_message=str(error))
            self._responses[place] = key, failed
        else:
            self.connection.failed(error)
            return
        self._complete_if_done()

    def _await_commit(self, place: int, partition: Partition, result: AppendResult) -> None:
        if self._acks == 0 or result.error is not ErrorCode.none:
            return
        if not produce.has_to_wait(partition, result.last_offset, self._acks):
            return
        committed = partition.commit(result.last_offset)
        if committed is not None:
            self._pending[place] = None
            committed.add_done_callback(partial(self._committed, place))

    def _committed(self, place: int, future: "asyncio.Future[None]") -> None:
        error = None if future.cancelled() else future.exception()
        if place not in self._pending:
            return
        del self._pending[place]
        if isinstance(error, PartitionError):
            self._fail(place, error.error)
        elif error is not None:
            self.connection.failed(error)
            return
        self._complete_if_done()

    def _expire(self) -> None:
        for place in self._pending:
            self._fail(place, ErrorCode.request_timed_out)
        self._pending.clear()
        self._complete_if_done()

    def _fail(self, place: int, error: ErrorCode) -> None:
        key, response = self._responses[place]
        self._responses[place] = key, response._replace(error_code=error)

    def _complete_if_done(self) -> None:
        if self._pending or self.is_done:
            return
        if self._timer is not None:
            self._timer.cancel()
        response = self._encode()
        if self._acks == 0:
            self.is_done = True
        else:
            self.complete(response)

    def cancel(self) -> None:
        """What was appended stays; nobody waits for the answer."""
        if self._timer is not None:
            self._timer.cancel()
        self._pending.clear()
        self.is_done = True

    # -- answering ------------------------------------------------------------------------------------------------

    def _encode(self) -> bytes | None:
        failed = [each for each in self._responses if each[1].error_code]
        if self._acks == 0:
            if failed:
                self.connection.close(f"{ErrorCode(failed[0][1].error_code).name} in a produce request with acks=0")
            return None
        header, topics = self._header, self._by_topic()
        endpoints: dict[int, NodeEndpoint] = {}
        if failed and header.version >= FIRST_WITH_LEADERS:
            topics, endpoints = self._with_leaders(topics)
        return write_response(header.version, header.correlation_id, topics, list(endpoints.values()))

    def _by_topic(self) -> list[tuple[TopicKey, list[PartitionResponse]]]:
        topics: dict[TopicKey, list[PartitionResponse]] = {}
        for key, response in self._responses:
            topics.setdefault(key, []).append(response)
        return list(topics.items())

    def _with_leaders(
        self, topics: list[tuple[TopicKey, list[PartitionResponse]]]
    ) -> tuple[list[tuple[TopicKey, list[PartitionResponse]]], dict[int, NodeEndpoint]]:
        image, listener = self._broker.cluster.image, self.connection.listener
        endpoints: dict[int, NodeEndpoint] = {}
        completed = []
        for key, partitions in topics:
            name = key if isinstance(key, str) else getattr(image.topics_by_id.get(key), "name", "")
            answers = []
            for each in partitions:
                if each.error_code != ErrorCode.not_leader_or_follower:
                    answers.append(each)
                    continue
                leader = current_leader(image, name, each.partition, listener)
                if leader.endpoint is not None:
                    endpoints[leader.leader_id] = leader.endpoint
                answers.append(each._replace(leader_id=leader.leader_id, leader_epoch=leader.leader_epoch))
            completed.append((key, answers))
        return completed, endpoints


def response_of(index: int, partition: Partition, result: AppendResult) -> PartitionResponse:
    """What a log's answer says to the client.

    Producers may have gone on with another leader without this one knowing: what is out of order here is not there.
    """
    error = result.error
    if error in OF_PRODUCERS and partition.may_be_replaced():
        error = ErrorCode.not_leader_or_follower
    return PartitionResponse(
        index,
        int(error),
        result.base_offset,
        result.log_append_time_ms,
        result.log_start_offset,
        result.record_errors,
        result.error_message,
    )
