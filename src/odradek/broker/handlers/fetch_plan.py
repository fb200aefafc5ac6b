"""What a fetch finds: for each partition an error, nothing new, or a range of bytes in its log. Nothing is read yet."""

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.broker.fetch_sessions import CachedPartition, Key
from odradek.broker.handlers.data_host import DataHost
from odradek.log.errors import LogError, OffsetOutOfRangeError
from odradek.replication.partition import Partition
from odradek.wire.fetch import FetchPartition, PartitionResult
from odradek.wire.produce import TopicKey

if TYPE_CHECKING:
    from odradek.log.reading import ReadRange
    from odradek.replication.lending import Lending

READ_COMMITTED = 1
FIRST_WITH_STORAGE_ERROR = 6
FIRST_WITH_ZSTD = 10
FIRST_WITH_LEADER_EPOCHS = 9
FIRST_WITH_RACK = 11
_NONE = ErrorCode.none

UNRESOLVED = (
    ErrorCode.unknown_topic_or_partition,
    ErrorCode.unknown_topic_id,
    ErrorCode.inconsistent_topic_id,
)
"""Partitions that do not exist are answered, but no reason to answer before the wait is over."""

Wanted = tuple[TopicKey, FetchPartition, CachedPartition | None]


class FetchLimits:
    """What of a request decides how much is read."""

    __slots__ = (
        "allows_batch",
        "client_rack",
        "isolation_level",
        "lending",
        "max_bytes",
        "replica",
        "tells_commits",
        "version",
    )

    def __init__(
        self,
        version: int,
        isolation_level: int,
        max_bytes: int,
        replica: tuple[int, int] | None = None,
        allows_batch: bool = True,
    ) -> None:
        self.version = version
        self.isolation_level = isolation_level
        self.max_bytes = max_bytes
        self.replica = replica
        """Broker id and broker epoch of a replica, None for a consumer."""
        self.client_rack = ""
        """Of a consumer that is to read from the nearest replica."""
        self.lending: Lending | None = None
        """What holds back a replica that is not in sync."""
        self.tells_commits = False
        """A replica that consumers read from learns at once what has been committed."""
        self.allows_batch = allows_batch
        """Whether one batch is given whatever the limit."""

    def with_least(self, *, allows_batch: bool) -> "FetchLimits":
        """One batch, or nothing."""
        least = copy(self)
        least.max_bytes, least.allows_batch = 0, allows_batch
        return least

    def upper_offset(self, partition: Partition) -> int:
        """Up to where this reader may read: a replica reads what is not committed yet."""
        if self.replica is not None:
            return partition.log.log_end_offset
        return partition.last_stable_offset if self.isolation_level == READ_COMMITTED else partition.high_watermark

    def holds_back(self, partition: Partition) -> bool:
        """Whether the reader, a replica, gets no records of this partition for now."""
        lending, replica = self.lending, self.replica
        return lending is not None and replica is not None and lending.holds_back(partition, replica[0])

    def note_sent(self, partition: Partition, size: int) -> None:
        """So many bytes of records go to the reader."""
        if self.lending is not None and self.replica is not None:
            self.lending.record(partition, self.replica[0], size)


class PlannedRead:
    """One partition. `read` and `is_cold` (the search has to wait for the disk) are only set when there is something.

    Whoever uses the plan releases each `read`.
    """

    __slots__ = (
        "error",
        "is_cold",
        "is_one_batch",
        "key",
        "limit",
        "partition",
        "read",
        "result",
        "upper_offset",
        "wanted",
    )

    def __init__(self, key: Key, wanted: FetchPartition, partition: Partition | None, result: PartitionResult) -> None:
        self.key = key
        self.wanted = wanted
        self.partition = partition
        self.result = result
        self.read: ReadRange | None = None
        self.is_cold = False
        self.limit = 0
        self.upper_offset = 0
        self.is_one_batch = False
        """Whether the first batch is given whole, whatever the limit."""

    @property
    def size(self) -> int:
        return self.read.length if self.read is not None else 0

    def fail(self, error: ErrorCode) -> None:
        """Answer an error and no records."""
        self.result = PartitionResult(self.wanted.partition, error)


class FetchPlan:
    """Every partition of a request, in order."""

    __slots__ = ("has_cold", "is_final", "quiet", "readable_bytes", "reads")

    def __init__(self) -> None:
        self.reads: dict[Key, PlannedRead] = {}
        self.readable_bytes = 0
        self.is_final = False
        """Some partition has news that must not wait: an error, a diverging epoch, or old records."""
        self.has_cold = False
        self.quiet: list[tuple[Key, Partition]] = []
        """Partitions of a session that have nothing its client does not know; they are not among `reads`."""

    def release(self) -> None:
        """Give up all ranges."""
        for planned in self.reads.values():
            if planned.read is not None:
                planned.read.release()
                planned.read = None


def make_plan(broker: DataHost, wanted: Iterable[Wanted], limits: FetchLimits) -> FetchPlan:
    """Look at each partition as it is now."""
    plan = FetchPlan()
    left, is_one_batch = limits.max_bytes, limits.allows_batch
    for key, each, cached in wanted:
        planned = _assess(broker, key, each, cached, limits)
        result, partition = planned.result, planned.partition
        is_held_back = limits.lending is not None and partition is not None and limits.holds_back(partition)
        if cached is not None and partition is not None and cached.has_told(result, planned.upper_offset):
            plan.quiet.append((planned.key, partition))
            continue
        plan.reads[planned.key] = planned
        if result.error_code or result.diverging is not None:
            plan.is_final = plan.is_final or ErrorCode(result.error_code) not in UNRESOLVED
            continue
        if result.preferred_read_replica >= 0:
            plan.is_final = True
            continue
        if limits.tells_commits and cached is not None and cached.high_watermark < result.high_watermark:
            plan.is_final = True
        if planned.upper_offset <= each.fetch_offset or is_held_back:
            continue
        planned.limit = min(max(each.max_bytes, 0), max(left, 0))
        planned.is_one_batch = is_one_batch
        if not planned.limit and not is_one_batch:
            continue
        _locate(planned)
        if planned.is_cold:
            plan.has_cold = plan.is_final = True
            left -= planned.limit
        elif planned.read is not None:
            plan.readable_bytes += planned.size
            left -= planned.size
            is_one_batch = is_one_batch and not planned.size
        else:
            plan.is_final = True
    return plan


def _assess(
    broker: DataHost, key: TopicKey, wanted: FetchPartition, cached: CachedPartition | None, limits: FetchLimits
) -> PlannedRead:
    """Whether the partition can be read, and up to where."""
    place = (key, wanted.partition)
    if limits.replica is None and limits.version >= FIRST_WITH_RACK:
        partition = broker.replicas.readable(key, wanted.partition)
    elif type(key) is str:
        partition = broker.replicas.partition(key, wanted.partition)
    else:
        partition = broker.replicas.partition_by_id(key, wanted.partition)  # type: ignore[arg-type]
    if type(partition) is not Partition:
        error = _unresolved_error(broker, partition, wanted, cached, limits)  # type: ignore[arg-type]
        return PlannedRead(place, wanted, None, PartitionResult(wanted.partition, error, aborted=()))
    if cached is not None:
        cached.name = partition.topic
    error = _refusal(partition, wanted, limits)
    diverging = None
    if error is _NONE and wanted.last_fetched_epoch >= 0:
        error, diverging = _compare_epochs(partition, wanted)
    if error is _NONE and diverging is None and not _holds(partition, wanted.fetch_offset):
        error = _missing_error(partition, wanted.fetch_offset)
    if (error is ErrorCode.offset_out_of_range or diverging is not None) and _knows_less(partition, limits):
        error, diverging = ErrorCode.not_leader_or_follower, None
    if error is _NONE and diverging is None and limits.replica is not None:
        error = _note_replica(partition, wanted, *limits.replica)
    if error is not _NONE:
        return PlannedRead(place, wanted, partition, _error_result(partition, wanted, error, limits))
    result = PartitionResult(
        wanted.partition, 0, partition.high_watermark, partition.last_stable_offset, partition.log_start_offset,
        () if limits.isolation_level == READ_COMMITTED else None, diverging,
    )  # fmt: skip
    if limits.client_rack:
        nearest = partition.nearest_replica(limits.client_rack, wanted.fetch_offset, broker.cluster.image.brokers)
        if nearest is not None:
            result = result._replace(preferred_read_replica=nearest)
    planned = PlannedRead(place, wanted, partition, result)
    planned.upper_offset = limits.upper_offset(partition)
    return planned


def _note_replica(partition: Partition, wanted: FetchPartition, broker_id: int, broker_epoch: int) -> ErrorCode:
    """Its leader learns how far the replica is; an error for whoever is no replica, or no longer that one (KIP-903)."""
    if partition.follower_fetched(broker_id, broker_epoch, wanted.fetch_offset, wanted.log_start_offset):
        return _NONE
    has_epoch = wanted.current_leader_epoch >= 0
    return ErrorCode.unknown_leader_epoch if has_epoch else ErrorCode.not_leader_or_follower


def _error_result(
    partition: Partition, wanted: FetchPartition, error: ErrorCode, limits: FetchLimits
) -> PartitionResult:
    """A replica out of range is told the range: it begins anew where the log does now."""
    if limits.replica is None or error is not ErrorCode.offset_out_of_range:
        return PartitionResult(wanted.partition, error)
    high_watermark = partition.high_watermark
    return PartitionResult(wanted.partition, error, high_watermark, high_watermark, partition.log_start_offset)


def _unresolved_error(
    broker: DataHost, error: ErrorCode, wanted: FetchPartition, cached: CachedPartition | None, limits: FetchLimits
) -> ErrorCode:
    if error is ErrorCode.kafka_storage_error and limits.version < FIRST_WITH_STORAGE_ERROR:
        return ErrorCode.not_leader_or_follower
    if error is ErrorCode.unknown_topic_id and cached is not None and cached.name is not None:
        exists = broker.cluster.image.partition(cached.name, wanted.partition) is not None
        return ErrorCode.inconsistent_topic_id if exists else ErrorCode.unknown_topic_or_partition
    return error


def _refusal(partition: Partition, wanted: FetchPartition, limits: FetchLimits) -> ErrorCode:
    """Why the partition's leader does not let this reader read (KIP-320); none when it does."""
    if wanted.current_leader_epoch >= 0:
        if wanted.current_leader_epoch < partition.leader_epoch:
            return ErrorCode.fenced_leader_epoch
        if wanted.current_leader_epoch > partition.leader_epoch:
            return ErrorCode.unknown_leader_epoch
    if limits.replica is None and limits.version < FIRST_WITH_ZSTD and partition.log.config.compression_type == "zstd":
        return ErrorCode.unsupported_compression_type
    return _NONE


def _holds(partition: Partition, offset: int) -> bool:
    return partition.log_start_offset <= offset <= partition.log.log_end_offset


def _missing_error(partition: Partition, offset: int) -> ErrorCode:
    """A reader beyond the damage of a log must not go back and read again, or skip what it has not read."""
    if partition.log.damage is not None and offset > partition.log.log_end_offset:
        return ErrorCode.kafka_storage_error
    return ErrorCode.offset_out_of_range


def _knows_less(partition: Partition, limits: FetchLimits) -> bool:
    """Whether what is not here may be elsewhere, so that a consumer must look for the leader instead of beginning anew.

    As at a follower, unless its leader sent the consumer here, which then goes back there (KIP-392); and at a leader
    that may have been replaced without knowing.
    """
    if limits.replica is not None:
        return False
    return not limits.client_rack if partition.is_following else partition.may_be_replaced()


def _compare_epochs(partition: Partition, wanted: FetchPartition) -> tuple[ErrorCode, tuple[int, int] | None]:
    """Epoch and end offset from which on the reader's records are not the leader's, None if they are (KIP-595)."""
    epoch, end_offset = partition.log.end_offset_for_epoch(wanted.last_fetched_epoch)
    if epoch < 0 or wanted.fetch_offset < partition.log_start_offset:
        return ErrorCode.offset_out_of_range, None
    if epoch < wanted.last_fetched_epoch or end_offset < wanted.fetch_offset:
        return _NONE, (epoch, end_offset)
    return _NONE, None


def _locate(planned: PlannedRead) -> None:
    assert planned.partition is not None
    try:
        planned.read = planned.partition.log.locate(
            planned.wanted.fetch_offset,
            planned.limit,
            upper_offset=planned.upper_offset,
            minimum_one_batch=planned.is_one_batch,
        )
        planned.is_cold = planned.read is None
    except OffsetOutOfRangeError:
        planned.fail(ErrorCode.offset_out_of_range)
    except LogError:
        planned.fail(ErrorCode.kafka_storage_error)


async def locate_cold(plan: FetchPlan) -> None:
    """Search where the search had to wait for the disk."""
    for planned in plan.reads.values():
        if not planned.is_cold or planned.partition is None:
            continue
        try:
            planned.read = await planned.partition.log.locate_cold(
                planned.wanted.fetch_offset,
                planned.limit,
                upper_offset=planned.upper_offset,
                minimum_one_batch=planned.is_one_batch,
            )
        except OffsetOutOfRangeError:
            planned.fail(ErrorCode.offset_out_of_range)
        except LogError:
            planned.fail(ErrorCode.kafka_storage_error)
