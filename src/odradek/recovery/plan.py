"""What the metadata is to be, from the reports of the brokers and what an older store holds: a pure function.

For each partition the replica with the highest (leader epoch, log end) has everything that was ever committed, as long
as every broker that was in sync is heard: it becomes the last leader of a partition without leader, ISR and ELR, which
the controller then lets lead by recovery. Leader epochs begin above the highest seen, so that what the brokers have of
lost epochs is cut off as after any election. Topics that the store does not know are made anew from the logs; what is
gone with the metadata (their configuration) is told.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from odradek.cluster.elections import to_record
from odradek.cluster.history import Chain, epoch_floor
from odradek.cluster.ids import uuid_from_text
from odradek.cluster.image import NO_LEADER, ClusterImage, PartitionImage, TopicImage
from odradek.cluster.producer_ids import BLOCK_SIZE
from odradek.cluster.records import PartitionRecord
from odradek.recovery.report import PartitionReport, Report

UNSEEN_MAX = 1_000
"""So many revisions, broker epochs and leader epochs may have been given of which nobody's data tells, generously."""
LEADER_EPOCH_MAX = (1 << 31) - 1


class RecoveryRefusedError(Exception):
    """Why nothing can be recovered like this; one line that says what to do."""


@dataclass(frozen=True, slots=True)
class PartitionPlan:
    """`best` is the broker whose replica counts, -1 when nobody reported one; `report` what that is."""

    topic: str
    topic_id: UUID
    index: int
    best: int
    report: PartitionReport | None
    record: PartitionRecord


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """`made` are topics that the store does not know, `replaced` topic ids that it knows under the name of one of those
    and of which there is no log; `empty` partitions that nobody has."""

    partitions: tuple[PartitionPlan, ...]
    made: Mapping[UUID, str]
    replaced: Mapping[UUID, str]
    notes: tuple[str, ...]
    brokers: Mapping[int, int]
    """Broker -> the highest revision that its data has seen."""
    epoch_floor: int
    steps: int
    """By so many any counter in the store may be too low."""
    producer_id: int
    """The next one is at least this."""

    @property
    def empty(self) -> list[PartitionPlan]:
        return [each for each in self.partitions if each.best == NO_LEADER]


Key = tuple[UUID, int]
Replicas = dict[int, PartitionReport]
"""Broker -> its replica."""


def make_plan(
    image: ClusterImage, chain: Chain, reports: Sequence[Report], without: Collection[int] = ()
) -> RecoveryPlan:
    """`without`: brokers that are not heard, whatever they have. Raises RecoveryRefusedError."""
    require_complete(image, reports, without)
    found = _by_partition(reports)
    made, replaced, notes = _unknown_topics(image, found)
    partitions = [
        *(each for topic in image.topics.values() if topic.topic_id not in replaced for each in _known(topic, found)),
        *(each for topic_id, name in made.items() for each in _made(topic_id, name, found)),
    ]
    seen = max(report.revision for report in reports)
    epochs = [report.broker_epoch for report in reports] + [broker.epoch for broker in image.brokers.values()]
    return RecoveryPlan(
        tuple(partitions),
        made,
        replaced,
        tuple(notes),
        {report.broker_id: report.revision for report in reports},
        max(*epochs, seen, epoch_floor(chain)) + UNSEEN_MAX,
        seen + UNSEEN_MAX,
        max(report.producer_id for report in reports) + 1 + BLOCK_SIZE * (len(reports) + 1),
    )


def require_complete(image: ClusterImage, reports: Sequence[Report], without: Collection[int]) -> None:
    """Of this cluster, all brokers stopped and heard. Raises RecoveryRefusedError."""
    if not reports:
        raise RecoveryRefusedError("name the reports that `odradek cluster survey` made, one for each broker")
    if image.cluster_id and image.cluster_id != reports[0].cluster_id:
        raise RecoveryRefusedError(
            f"the reports are of cluster {reports[0].cluster_id}, the store of {image.cluster_id}"
        )
    if not image.cluster_id:
        raise RecoveryRefusedError(
            "the store holds no metadata of this cluster (--cluster says which): put back any backup"
        )
    if image.live:
        alive = ", ".join(map(str, sorted(image.live)))
        raise RecoveryRefusedError(f"brokers {alive} count as alive: stop them, or wait until their leases have ended")
    heard = {report.broker_id for report in reports}
    assigned = {
        replica for parts in image.parts.values() for partition in parts.values() for replica in partition.replicas
    }
    missing = sorted((image.brokers.keys() | assigned) - heard - set(without))
    if missing:
        raise RecoveryRefusedError(
            f"there is no report of broker {missing[0]}: make one with `odradek cluster survey` on its machine, or "
            f"--without {missing[0]} when it is gone for good"
        )


def _by_partition(reports: Sequence[Report]) -> dict[Key, Replicas]:
    found: dict[Key, Replicas] = defaultdict(dict)
    for report in reports:
        for each in report.partitions:
            found[uuid_from_text(each.topic_id), each.partition][report.broker_id] = each
    return found


def _unknown_topics(
    image: ClusterImage, found: Mapping[Key, Replicas]
) -> tuple[dict[UUID, str], dict[UUID, str], list[str]]:
    """(topics to make anew, topic ids they replace, notes). A name is that of one topic: the one that has logs."""
    with_logs = {topic_id for topic_id, _ in found}
    made: dict[UUID, str] = {}
    replaced: dict[UUID, str] = {}
    notes: list[str] = []
    names = {topic_id: next(iter(replicas.values())).topic for (topic_id, _), replicas in sorted(found.items())}
    for topic_id, name in names.items():
        known = image.topics.get(name)
        if topic_id in image.topics_by_id or topic_id in image.deleted:
            continue
        if name in made.values() or (known is not None and known.topic_id in with_logs):
            notes.append(f"{name}: there are logs of two topics of that name; those of {topic_id} will be set aside")
            continue
        made[topic_id] = name
        notes.append(f"{name}: made anew from its logs; its configuration is lost")
        if known is not None:
            replaced[known.topic_id] = name
    return made, replaced, notes


def _known(topic: TopicImage, found: Mapping[Key, Replicas]) -> list[PartitionPlan]:
    """Partitions that were added since are made anew too."""
    id_, count = topic.topic_id, len(topic.partitions)
    last = max((index for topic_id, index in found if topic_id == id_), default=-1)
    plans = [_recovered(topic, index, each, found.get((id_, index), {})) for index, each in enumerate(topic.partitions)]
    return plans + [
        _from_logs(topic.name, id_, index, found.get((id_, index), {}), topic.partitions[0].replicas)
        for index in range(count, last + 1)
    ]


def _made(topic_id: UUID, name: str, found: Mapping[Key, Replicas]) -> list[PartitionPlan]:
    """A partition without any log is empty, on the replicas of the first one that has some."""
    indexes = [index for id_, index in found if id_ == topic_id]
    others = tuple(sorted(found[topic_id, min(indexes)]))
    return [
        _from_logs(name, topic_id, index, found.get((topic_id, index), {}), others) for index in range(max(indexes) + 1)
    ]


def _from_logs(topic: str, topic_id: UUID, index: int, replicas: Replicas, others: tuple[int, ...]) -> PartitionPlan:
    best = _best(replicas)
    assigned = tuple(sorted(replicas, key=lambda broker: (broker != best, broker))) or others
    record = PartitionRecord(assigned, NO_LEADER, -1, _next_epoch(replicas, 0), (), last_leader=assigned[0])
    return PartitionPlan(topic, topic_id, index, best, replicas.get(best), record)


def _recovered(topic: TopicImage, index: int, partition: PartitionImage, replicas: Replicas) -> PartitionPlan:
    """Where the best replica is not assigned any more it takes the last one's place: a move was lost with the store."""
    before, best = to_record(partition), _best(replicas)
    assigned = tuple(replica for replica in before.replicas if replica not in before.adding)
    if best != NO_LEADER and best not in assigned:
        assigned = (*assigned[:-1], best) if len(assigned) > 1 else (best,)
    record = msgspec.structs.replace(
        before,
        replicas=assigned,
        adding=(),
        removing=(),
        leader=NO_LEADER,
        leader_broker_epoch=-1,
        leader_epoch=_next_epoch(replicas, before.leader_epoch),
        isr=(),
        elr=(),
        last_leader=assigned[0] if best == NO_LEADER else best,
    )
    return PartitionPlan(topic.name, topic.topic_id, index, best, replicas.get(best), record)


def _best(replicas: Replicas) -> int:
    """The broker with the lowest id among those whose logs reach furthest."""
    return max(sorted(replicas), key=lambda broker: replicas[broker].rank, default=NO_LEADER)


def _next_epoch(replicas: Replicas, known: int) -> int:
    """Above every one that was given: leaders that never wrote may have had some that are in no log."""
    return min(max([known, *(each.leader_epoch for each in replicas.values())]) + UNSEEN_MAX, LEADER_EPOCH_MAX)
