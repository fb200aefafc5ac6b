"""What creating a topic or adding partitions would write, or why it is refused: pure functions of an image.

The checks, their order and their messages are those of Kafka's controller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from odradek.cluster.elections import new_partition
from odradek.cluster.grayness import gray_brokers
from odradek.cluster.image import BrokerImage, ClusterImage, TopicImage
from odradek.cluster.names import topic_name_problem, unified_name
from odradek.cluster.placement import PlacementError, place
from odradek.cluster.records import PartitionRecord
from odradek.cluster.results import NewPartitions, NewTopic, Refusal
from odradek.cluster.topic_defaults import Defaults

MAX_PARTITIONS_PER_REQUEST = 10_000

Brokers = Mapping[int, BrokerImage]
MinIsr = Callable[[Mapping[str, str]], int]
"""The effective min.insync.replicas of a topic with these overrides. Raises ValueError with a message."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    name: str
    configs: dict[str, str]
    partitions: list[PartitionRecord]


def plan_topic(image: ClusterImage, topic: NewTopic, defaults: Defaults, min_isr: MinIsr) -> TopicPlan | Refusal:
    """Decide about one topic."""
    if (refused := _check_name(image, topic.name)) is not None:
        return refused
    nulls = [key for key, value in topic.configs.items() if value is None]
    if nulls:
        return Refusal(ErrorCode.invalid_config, f"Null value not supported for topic configs: {','.join(nulls)}")
    takes_default = topic.replication_factor == -1 and not topic.assignments
    defaults_of_topic = dict(defaults.configs) if takes_default else {}
    configs = defaults_of_topic | {key: value for key, value in topic.configs.items() if value is not None}
    try:
        minimum = min_isr(configs)
    except ValueError as error:
        return Refusal(ErrorCode.invalid_config, str(error))
    partitions = _plan_partitions(image, topic, defaults, minimum)
    return partitions if isinstance(partitions, Refusal) else TopicPlan(topic.name, configs, partitions)


def _check_name(image: ClusterImage, name: str) -> Refusal | None:
    if (problem := topic_name_problem(name)) is not None:
        return Refusal(ErrorCode.invalid_topic_exception, problem)
    if name in image.entries:
        return Refusal(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")
    unified = unified_name(name)
    other = image.collisions.get(unified) if unified is not None else None
    if other is not None:
        return collision(name, other)
    return None


def collision(name: str, other: str) -> Refusal:
    return Refusal(ErrorCode.invalid_topic_exception, f"Topic '{name}' collides with existing topic: {other}")


def _plan_partitions(
    image: ClusterImage, topic: NewTopic, defaults: Defaults, min_isr: int
) -> list[PartitionRecord] | Refusal:
    if topic.assignments:
        return _plan_manual(image.brokers, topic, min_isr)
    if topic.replication_factor < -1 or topic.replication_factor == 0:
        message = "Replication factor must be larger than 0, or -1 to use the default value."
        return Refusal(ErrorCode.invalid_replication_factor, message)
    if topic.num_partitions < -1 or topic.num_partitions == 0:
        return Refusal(ErrorCode.invalid_partitions, "Number of partitions was set to an invalid non-positive value.")
    count = defaults.num_partitions if topic.num_partitions == -1 else topic.num_partitions
    factor = defaults.replication_factor if topic.replication_factor == -1 else topic.replication_factor
    if count > MAX_PARTITIONS_PER_REQUEST:
        return too_many_partitions()
    planned = _place(image, 0, count, factor, defaults.placement_start, min_isr)
    if isinstance(planned, str):
        message = f"Unable to replicate the partition {factor} time(s): {planned}"
        return Refusal(ErrorCode.invalid_replication_factor, message)
    return planned


def too_many_partitions() -> Refusal:
    return Refusal(ErrorCode.policy_violation, "Excessively large number of partitions per request.")


def _place(
    image: ClusterImage, first: int, count: int, replication_factor: int, start: int, min_isr: int
) -> list[PartitionRecord] | str:
    """The new partitions, or why there can be none."""
    brokers, avoided = image.brokers, image.draining_brokers() | gray_brokers(image)
    try:
        replicas = place(brokers.values(), first, count, replication_factor, start, avoided)
    except PlacementError as error:
        return str(error)
    records = [new_partition(assigned, brokers, min_isr) for assigned in replicas]
    placed = [record for record in records if record is not None]
    return placed if len(placed) == count else "All brokers are currently fenced or in controlled shutdown."


def _plan_manual(brokers: Brokers, topic: NewTopic, min_isr: int) -> list[PartitionRecord] | Refusal:
    unset = {"replication factor": topic.replication_factor, "numPartitions": topic.num_partitions}
    for what, value in unset.items():
        if value != -1:
            message = f"A manual partition assignment was specified, but {what} was not set to -1."
            return Refusal(ErrorCode.invalid_request, message)
    planned: dict[int, PartitionRecord] = {}
    factor: int | None = None
    for index, replicas in topic.assignments:
        if index in planned:
            return bad_assignment(f"Found multiple manual partition assignments for partition {index}")
        record = _assigned(brokers, index, replicas, factor, min_isr)
        if isinstance(record, Refusal):
            return record
        planned[index], factor = record, len(replicas)
    if sorted(planned) != list(range(len(planned))):
        return bad_assignment("partitions should be a consecutive 0-based integer sequence")
    return [planned[index] for index in range(len(planned))]


def _assigned(
    brokers: Brokers, index: int, replicas: Sequence[int], factor: int | None, min_isr: int
) -> PartitionRecord | Refusal:
    if (problem := manual_assignment_problem(brokers, replicas, factor)) is not None:
        return bad_assignment(problem)
    record = new_partition(tuple(replicas), brokers, min_isr)
    if record is None:
        return bad_assignment(
            f"All brokers specified in the manual partition assignment for partition {index} "
            "are fenced or in controlled shutdown."
        )
    return record


def bad_assignment(message: str) -> Refusal:
    """Replicas that cannot be; the words are Kafka's."""
    return Refusal(ErrorCode.invalid_replica_assignment, message)


def manual_assignment_problem(brokers: Brokers, replicas: Sequence[int], factor: int | None) -> str | None:
    """Why the replicas are not acceptable; `factor` is the replication factor they must have, if any."""
    if not replicas:
        return "The manual partition assignment includes an empty replica list."
    previous = None
    for broker in sorted(replicas):
        if broker not in brokers:
            return f"The manual partition assignment includes broker {broker}, but no such broker is registered."
        if broker == previous:
            return f"The manual partition assignment includes the broker {broker} more than once."
        previous = broker
    if factor is not None and len(replicas) != factor:
        return (
            f"The manual partition assignment includes a partition with {len(replicas)} replica(s), but this is not "
            f"consistent with previous partitions, which have {factor} replica(s)."
        )
    return None


def plan_growth(
    image: ClusterImage, growth: NewPartitions, placement_start: int
) -> tuple[TopicImage, list[PartitionRecord]] | Refusal:
    """The topic as it is and the partitions to add."""
    topic = image.topics.get(growth.name)
    if topic is None:
        return Refusal(ErrorCode.unknown_topic_or_partition)
    if (refused := _check_growth(topic, growth)) is not None:
        return refused
    planned = _plan_added(image, topic, growth, placement_start)
    return planned if isinstance(planned, Refusal) else (topic, planned)


def _check_growth(topic: TopicImage, growth: NewPartitions) -> Refusal | None:
    present = len(topic.partitions)
    if growth.count == present:
        return Refusal(ErrorCode.invalid_partitions, f"Topic already has {present} partition(s).")
    if growth.count < present:
        message = (
            f"The topic {topic.name} currently has {present} partition(s); {growth.count} would not be an increase."
        )
        return Refusal(ErrorCode.invalid_partitions, message)
    additional = growth.count - present
    if growth.assignments is not None and len(growth.assignments) != additional:
        return bad_assignment(
            f"Attempted to add {additional} additional partition(s), but only {len(growth.assignments)} "
            "assignment(s) were specified."
        )
    return too_many_partitions() if additional > MAX_PARTITIONS_PER_REQUEST else None


def _plan_added(
    image: ClusterImage, topic: TopicImage, growth: NewPartitions, placement_start: int
) -> list[PartitionRecord] | Refusal:
    first, factor = len(topic.partitions), topic.replication_factor
    min_isr = topic.partitions[0].min_isr
    if growth.assignments is None:
        planned = _place(image, first, growth.count - first, factor, placement_start, min_isr)
        return Refusal(ErrorCode.invalid_replication_factor, planned) if isinstance(planned, str) else planned
    records: list[PartitionRecord] = []
    for step, replicas in enumerate(growth.assignments):
        record = _assigned(image.brokers, first + step, replicas, factor, min_isr)
        if isinstance(record, Refusal):
            return record
        records.append(record)
    return records
