"""A fetch's response: laid out in one buffer first, then filled with records straight from the files."""

import errno
import logging
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.broker.delayed import PooledResponse
from odradek.broker.handlers.current_leader import current_leader
from odradek.broker.handlers.fetch_plan import FetchPlan, PlannedRead
from odradek.host import NOWAIT, WOULD_WAIT, FileSystem
from odradek.log.errors import DamagedLogError
from odradek.wire.fetch import FIRST_WITH_ENDPOINTS, Layout, assemble
from odradek.wire.produce import NodeEndpoint, TopicKey
from odradek.wire.records import MAGIC, MAGIC_OFFSET

if TYPE_CHECKING:
    from odradek.broker.handlers.fetch import Fetch

logger = logging.getLogger(__name__)

INLINE_BYTES_MAX = 4 << 20
"""Copied from the page cache in one go; more would hold up everybody else."""

COLD_BYTES_MAX = 1 << 20
"""Read by one executor call."""

COPIED_BYTES_MAX = 16 << 10
"""A response up to this size is copied once more, rather than to occupy a buffer until it is sent."""

WITH_LEADER = (ErrorCode.not_leader_or_follower, ErrorCode.fenced_leader_epoch)


class FetchResponse:
    """Made from a plan without cold searches. Order of use: `fill_hot`, `fill_cold` until it is true, then `finish`.

    In the end either `finish` or `abandon` gives up its ranges.
    """

    __slots__ = (
        "_buffer", "_endpoints", "_error", "_fetch", "_filled", "_keys", "_parts", "_places", "_plan", "_session_id",
        "_size", "_view",
    )  # fmt: skip

    def __init__(self, fetch: "Fetch", plan: FetchPlan) -> None:
        self._fetch = fetch
        self._plan = plan
        self._endpoints: dict[int, NodeEndpoint] = {}
        results = {key: (planned.result, planned.size) for key, planned in plan.reads.items()}
        self._error, self._session_id, self._keys = fetch.context.answer(results)
        self._buffer: bytearray | None = None
        self._view = memoryview(b"")
        self._lay_out()

    def _lay_out(self) -> None:
        header, version = self._fetch.header, self._fetch.header.version
        topics: dict[TopicKey, list[PlannedRead]] = {}
        for key in self._keys:
            topics.setdefault(key[0], []).append(self._plan.reads[key])
        layout = Layout(version, header.correlation_id, self._error, self._session_id, len(topics))
        self._places: list[tuple[PlannedRead, int]] = []
        self._filled = 0
        """Bytes of the first of `_places` that are there; those before it have been removed."""
        for topic, partitions in topics.items():
            layout.add_topic(topic, len(partitions))
            for planned in partitions:
                if version >= FIRST_WITH_ENDPOINTS and planned.result.error_code in WITH_LEADER:
                    self._add_leader(planned)
                size = planned.size
                position = layout.add_partition(planned.result, size)
                if size:
                    self._places.append((planned, position))
        self._parts = layout.finish(list(self._endpoints.values()))
        self._size = layout.size + 4

    def _add_leader(self, planned: PlannedRead) -> None:
        result, fetch = planned.result, self._fetch
        if result.leader:
            return
        image = fetch.broker.cluster.image
        topic = planned.key[0]
        name = topic if isinstance(topic, str) else getattr(image.topics_by_id.get(topic), "name", "")
        leader = current_leader(image, name, result.partition, fetch.connection.listener)
        planned.result = result._replace(leader=(leader.leader_id, leader.leader_epoch))
        if leader.endpoint is not None:
            self._endpoints[leader.leader_id] = leader.endpoint

    # -- filling --------------------------------------------------------------------------------------------------

    def fill_hot(self) -> bool:
        """Copy what is in the page cache, up to a bound; whether nothing is missing now."""
        if not self._places:
            return True
        files, view, copied = self._fetch.broker.host.files, self._take_buffer(), 0
        while self._places:
            planned, position = self._places[0]
            read = planned.read
            assert read is not None
            start, missing = position + self._filled, read.length - self._filled
            if copied and copied + missing > INLINE_BYTES_MAX:
                return False
            try:
                count = files.preadv(
                    read.fd,
                    [view[start : start + min(missing, INLINE_BYTES_MAX)]],
                    read.position + self._filled,
                    NOWAIT,
                )
            except OSError as error:
                if error.errno in WOULD_WAIT:
                    return False
                self._refuse(planned, ErrorCode.kafka_storage_error, error)
                continue
            copied += count
            if count < missing:
                self._filled += count
                return False
            self._filled_one(planned, position)
        return True

    async def fill_cold(self) -> bool:
        """Read what comes next in the executor, then as `fill_hot`."""
        planned, position = self._places[0]
        read, filled, loop = planned.read, self._filled, self._fetch.broker.loop
        assert read is not None
        length = min(read.length - filled, COLD_BYTES_MAX)
        room = self._view[position + filled : position + filled + length]
        try:
            await loop.run_in_executor(
                None, read_cold, self._fetch.broker.host.files, read.fd, read.position + filled, room
            )
        except OSError as error:
            self._refuse(planned, ErrorCode.kafka_storage_error, error)
            return self.fill_hot()
        self._filled += length
        if self._filled == read.length:
            self._filled_one(planned, position)
        return self.fill_hot()

    def _take_buffer(self) -> memoryview:
        if self._buffer is None:
            self._buffer = self._fetch.broker.connections.pool.take(self._size)
            self._view = memoryview(self._buffer)
        return self._view

    def _filled_one(self, planned: PlannedRead, position: int) -> None:
        del self._places[0]
        self._filled = 0
        read, partition = planned.read, planned.partition
        assert read is not None
        assert partition is not None
        if read.length > MAGIC_OFFSET and self._view[position + MAGIC_OFFSET] != MAGIC:
            self._refuse(planned, ErrorCode.corrupt_message, "no record batch is where one was written")
            return
        if read.length >= planned.limit:
            try:
                whole = partition.log.note_read(read, self._view[position : position + read.length])
            except DamagedLogError as error:
                self._refuse(planned, ErrorCode.corrupt_message, error)
                return
            if whole < read.length and len(self._plan.reads) == 1:
                self._cut(planned, position, whole)

    def _cut(self, planned: PlannedRead, position: int, whole: int) -> None:
        """Leave out the incomplete batch at the end of the only partition: the client would have to throw it away."""
        assert planned.read is not None
        planned.read.length = whole
        self._lay_out()
        ((_, new_position),) = self._places
        if new_position != position:
            self._view[new_position : new_position + whole] = self._view[position : position + whole]
        self._places.clear()

    def _refuse(self, planned: PlannedRead, error: ErrorCode, why: object) -> None:
        """A partition's records cannot be given: answer so, and begin anew with the others."""
        topic, index = planned.key
        logger.error("reading %s-%d failed: %s", topic, index, why)
        if planned.read is not None:
            planned.read.release()
            planned.read = None
        planned.fail(error)
        self._lay_out()

    # -- the end --------------------------------------------------------------------------------------------------

    def finish(self) -> bytes | PooledResponse:
        """The frame; the ranges are released."""
        if self._fetch.limits.lending is not None:
            self._note_sent()
        self._plan.release()
        if self._buffer is None:
            return b"".join(self._parts)  # type: ignore[arg-type]
        size = assemble(self._parts, self._view)
        if size > COPIED_BYTES_MAX:
            return PooledResponse(self._buffer, size)
        frame = bytes(self._view[:size])
        self._give_buffer()
        return frame

    def _note_sent(self) -> None:
        for planned in self._plan.reads.values():
            if planned.partition is not None:
                self._fetch.limits.note_sent(planned.partition, planned.size)

    def abandon(self) -> None:
        """Nobody wants it any more. A thread may still be reading into the buffer: it is nobody else's."""
        self._plan.release()
        if self._buffer is not None:
            self._fetch.broker.connections.pool.drop(self._buffer)
            self._buffer = None

    def _give_buffer(self) -> None:
        if self._buffer is not None:
            self._fetch.broker.connections.pool.give(self._buffer)
            self._buffer = None


def read_cold(files: FileSystem, fd: int, position: int, room: memoryview) -> None:
    """As many bytes as there is room for, waiting for the disk. Runs in the executor. Raises OSError."""
    done = 0
    while done < len(room):
        count = files.preadv(fd, [room[done:]], position + done)
        if count == 0:
            raise OSError(errno.EIO, "the file ends before the records that were found in it")
        done += count
