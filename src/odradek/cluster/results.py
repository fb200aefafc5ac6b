"""What callers ask of the cluster and what they get back. Errors are values, with Kafka's codes and messages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.cluster.ids import ZERO_UUID

MESSAGES = {
    ErrorCode.unknown_topic_or_partition: "This server does not host this topic-partition.",
    ErrorCode.unknown_topic_id: "This server does not host this topic ID.",
    ErrorCode.election_not_needed: "Leader election not needed for topic partition.",
    ErrorCode.preferred_leader_not_available: "The preferred leader was not available.",
    ErrorCode.eligible_leaders_not_available: "Eligible topic partition leaders are not available.",
    ErrorCode.no_reassignment_in_progress: "No partition reassignment is in progress.",
    ErrorCode.request_timed_out: "The request timed out.",
}
"""Kafka's standing message of an error, where the answer needs one and has no better."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not done; `message` None where Kafka sends none."""

    error: ErrorCode
    message: str | None = None


def refusal(error: ErrorCode) -> Refusal:
    """With the error's standing message."""
    return Refusal(error, MESSAGES.get(error))


class MetadataUnavailable(Exception):
    """The metadata store did not take the change in time; the caller may try again."""


class MetadataFull(MetadataUnavailable):
    """The metadata store has no space left; the message says so to whoever asked."""


def unavailable(error: MetadataUnavailable) -> Refusal:
    """What a client is told: that its request timed out, or that the disk is full."""
    if isinstance(error, MetadataFull):
        return Refusal(ErrorCode.kafka_storage_error, f"{error}.")
    return refusal(ErrorCode.request_timed_out)


class ClusterStartError(Exception):
    """The broker cannot take part; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class NewTopic:
    """-1 asks for the broker's default. `assignments`: (partition, replicas) pairs, then both counts must be -1."""

    name: str
    num_partitions: int = -1
    replication_factor: int = -1
    assignments: Sequence[tuple[int, Sequence[int]]] = ()
    configs: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicResult:
    """Outcome of creating one topic. On success (or validate_only) the counts and overrides it has, or would have."""

    name: str
    error: ErrorCode = ErrorCode.none
    message: str | None = None
    topic_id: UUID = ZERO_UUID
    num_partitions: int = -1
    replication_factor: int = -1
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """`name` is None when a topic was asked for by an id that nobody knows."""

    name: str | None
    topic_id: UUID
    error: ErrorCode = ErrorCode.none
    message: str | None = None


@dataclass(frozen=True, slots=True)
class NewPartitions:
    """Grow the topic to `count` partitions; `assignments` has the replicas of each added one."""

    name: str
    count: int
    assignments: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True, slots=True)
class PartitionsResult:
    name: str
    error: ErrorCode = ErrorCode.none
    message: str | None = None


class ConfigOp(Enum):
    """As in IncrementalAlterConfigs (KIP-339); the values are those of the protocol."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """`value` is ignored for DELETE."""

    key: str
    op: ConfigOp
    value: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigResult:
    error: ErrorCode = ErrorCode.none
    message: str | None = None


class ElectionType(Enum):
    """As in ElectLeaders (KIP-460); the values are those of the protocol."""

    PREFERRED = 0
    UNCLEAN = 1


@dataclass(frozen=True, slots=True)
class ElectionResult:
    topic: str
    partition: int
    error: ErrorCode = ErrorCode.none
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ReassignmentResult:
    topic: str
    partition: int
    error: ErrorCode = ErrorCode.none
    message: str | None = None


@dataclass(frozen=True, slots=True)
class UnregisterResult:
    error: ErrorCode = ErrorCode.none
    message: str | None = None
