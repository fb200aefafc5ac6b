"""Moving the replicas of a partition (KIP-455): plain decisions over one partition and the registered brokers.

All state of a reassignment is in the partition's record, so that it survives whoever began it:

  replicas   the target, followed by those that are to go
  adding     replicas that were not there before it began
  removing   replicas that will not be there when it is done
  original = replicas without adding, target = replicas without removing

A replica that an earlier target wanted and a newer one does not is in both lists: it goes in the end either way. The
reassignment is done when every replica of the target is in sync; until then nobody is dropped, so there are never fewer
in-sync replicas than before, and each of those that remain has every committed record.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from kio.schema.errors import ErrorCode

from odradek.cluster.elections import Brokers, elect, is_electable, is_lost, to_record
from odradek.cluster.image import NO_LEADER, ClusterImage, PartitionImage
from odradek.cluster.records import PartitionRecord, ReplicaEpochs
from odradek.cluster.results import Refusal, refusal
from odradek.cluster.topic_plans import bad_assignment, manual_assignment_problem


@dataclass(frozen=True, slots=True)
class Reassignment:
    """What is asked for one partition: its target replicas, the preferred leader first; None to cancel."""

    topic: str
    partition: int
    replicas: tuple[int, ...] | None
    may_change_factor: bool = True
    """Whether the number of replicas may change (KIP-860)."""


def is_reassigning(partition: PartitionImage | PartitionRecord) -> bool:
    return bool(partition.adding or partition.removing)


def original_replicas(partition: PartitionImage | PartitionRecord) -> tuple[int, ...]:
    """What cancelling goes back to."""
    return tuple(replica for replica in partition.replicas if replica not in partition.adding)


def target_replicas(partition: PartitionImage | PartitionRecord) -> tuple[int, ...]:
    """What a reassignment leads to; the replicas of a partition that has none."""
    return tuple(replica for replica in partition.replicas if replica not in partition.removing)


def plan_reassignment(image: ClusterImage, wanted: Reassignment, *, unclean_allowed: bool) -> PartitionRecord | Refusal:
    """The partition's record after the request, maybe as it was; the errors are those of Kafka's controller."""
    if wanted.topic not in image.topics:
        message = f"Unable to find a topic named {wanted.topic}."
        return Refusal(ErrorCode.unknown_topic_or_partition, message)
    partition = image.partition(wanted.topic, wanted.partition)
    if partition is None:
        message = f"Unable to find partition {wanted.topic}:{wanted.partition}."
        return Refusal(ErrorCode.unknown_topic_or_partition, message)
    if wanted.replicas is None:
        return _plan_cancel(image, wanted, partition, unclean_allowed)
    if (problem := manual_assignment_problem(image.brokers, wanted.replicas, None)) is not None:
        return bad_assignment(problem)
    factor = len(target_replicas(partition))
    if not wanted.may_change_factor and factor != len(wanted.replicas):
        message = f"The replication factor is changed from {factor} to {len(wanted.replicas)}"
        return Refusal(ErrorCode.invalid_replication_factor, message)
    begun = reassigned(to_record(partition), wanted.replicas)
    return finished(begun, image.brokers) or begun


def _plan_cancel(
    image: ClusterImage, wanted: Reassignment, partition: PartitionImage, unclean_allowed: bool
) -> PartitionRecord | Refusal:
    if not is_reassigning(partition):
        return refusal(ErrorCode.no_reassignment_in_progress)
    record = cancelled(to_record(partition), image.brokers, unclean_allowed=unclean_allowed)
    return record or bad_assignment(
        f"Unable to revert partition assignment for {wanted.topic}:{wanted.partition} "
        "because it would require an unclean leader election."
    )


def reassigned(record: PartitionRecord, target: Sequence[int]) -> PartitionRecord:
    """Begun, or turned towards another target."""
    original = original_replicas(record)
    removing = tuple(sorted(set(record.replicas) - set(target)))
    replicas = (*target, *removing)
    adding = tuple(sorted(set(replicas) - set(original)))
    return msgspec.structs.replace(record, replicas=replicas, adding=adding, removing=removing)


def finished(record: PartitionRecord, brokers: Brokers) -> PartitionRecord | None:
    """Without the replicas that were to go; None while one of the target is not in sync, or nothing is under way.

    Whoever is dropped never learns of the new leader epoch, and so cannot take part any more.
    """
    if not is_reassigning(record):
        return None
    target, epochs = target_replicas(record), dict(record.isr)
    if not all(replica in epochs and is_electable((replica, epochs[replica]), brokers) for replica in target):
        return None
    isr = tuple(entry for entry in record.isr if entry[0] in target)
    return _with_replicas(record, target, isr, (), brokers)


def cancelled(record: PartitionRecord, brokers: Brokers, *, unclean_allowed: bool) -> PartitionRecord | None:
    """Back to the original replicas; None when only replicas that were being added have every committed record.

    `unclean_allowed` goes back even then, to a replica that may have less.
    """
    original = original_replicas(record)
    isr, elr = (
        tuple(entry for entry in entries if not is_lost(entry, brokers)) for entries in (record.isr, record.elr)
    )
    has_any = bool(isr or elr)
    isr, elr = (tuple(entry for entry in entries if entry[0] in original) for entries in (isr, elr))
    is_lossy = not isr and not elr and (has_any or _last_leader(record) not in original)
    if is_lossy and not unclean_allowed:
        return None
    return _with_replicas(record, original, isr, elr, brokers, unclean_allowed=is_lossy)


def _with_replicas(
    before: PartitionRecord,
    replicas: tuple[int, ...],
    isr: ReplicaEpochs,
    elr: ReplicaEpochs,
    brokers: Brokers,
    *,
    unclean_allowed: bool = False,
) -> PartitionRecord:
    """With these replicas alone, led by one of them, in a new leader epoch if any was dropped."""
    last_leader = _last_leader(before)
    trimmed = msgspec.structs.replace(
        before,
        replicas=replicas,
        adding=(),
        removing=(),
        isr=isr,
        elr=elr if len(isr) < before.min_isr else (),
        last_leader=last_leader if last_leader in replicas else NO_LEADER,
    )
    if before.leader not in dict(isr):
        trimmed = msgspec.structs.replace(trimmed, leader=NO_LEADER, leader_broker_epoch=-1)
    is_hopeless = not isr and not elr and not unclean_allowed  # Recovery is the controller's, which reports it.
    election = None if is_hopeless else elect(PartitionImage.of(trimmed, 0), brokers, unclean_allowed=unclean_allowed)
    after = trimmed if election is None else election.record
    is_smaller = len(replicas) < len(before.replicas)
    if is_smaller and after.leader_epoch == before.leader_epoch:
        return msgspec.structs.replace(after, leader_epoch=before.leader_epoch + 1)
    return after


def _last_leader(record: PartitionRecord) -> int:
    return record.last_leader if record.leader == NO_LEADER else record.leader
