"""Who leads a partition: plain synchronous decisions over one partition and the registered brokers.

Two rules make it safe. An ISR or ELR entry counts only in the broker epoch it was made in, or when the broker has
proven that nothing was lost since (its `predecessor_epoch`). And every assumption of leadership has a new leader
epoch, also when the same broker takes it again.

What happens to each entry (id, epoch):
  active      its broker is unfenced and the entry counts: stays, in the broker's present epoch
  absent      its broker is fenced, but may still come back with everything: leaves the ISR, may be in the ELR
  lost        its broker came back in another epoch without proof, or was unregistered (it could never prove anything
              again): out of both for good
The ELR is computed together with the ISR: ELR + old ISR - new ISR, empty when |ISR| >= min_isr (KIP-966).
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from odradek.cluster.image import NO_LEADER, BrokerImage, ClusterImage, PartitionImage
from odradek.cluster.records import PartitionRecord, ReplicaEpochs

Brokers = Mapping[int, BrokerImage]
Entry = tuple[int, int]
Kind = Literal["isr", "elr", "recovery", "unclean", "none"]


@dataclass(frozen=True, slots=True)
class Election:
    """The record to write. `recovery` (the last leader came back without proof) and `unclean` may have lost data."""

    record: PartitionRecord
    kind: Kind


def to_record(partition: PartitionImage) -> PartitionRecord:
    return PartitionRecord(
        replicas=partition.replicas,
        leader=partition.leader,
        leader_broker_epoch=partition.leader_broker_epoch,
        leader_epoch=partition.leader_epoch,
        isr=_entries(partition.isr, partition.isr_epochs),
        elr=_entries(partition.elr, partition.elr_epochs),
        adding=partition.adding,
        removing=partition.removing,
        min_isr=partition.min_isr,
        last_leader=partition.last_leader,
    )


def _entries(ids: Sequence[int], epochs: Sequence[int]) -> ReplicaEpochs:
    return tuple(zip(ids, epochs, strict=True))


def new_partition(replicas: tuple[int, ...], brokers: Brokers, min_isr: int) -> PartitionRecord | None:
    """A partition without data: every active replica is in sync. None when there is no active replica."""
    isr = tuple((broker, brokers[broker].epoch) for broker in replicas if brokers[broker].is_active)
    if not isr:
        return None
    leader, epoch = isr[0]
    return PartitionRecord(replicas, leader, epoch, 0, isr, min_isr=min_isr, last_leader=leader)


def is_electable(entry: Entry, brokers: Brokers) -> bool:
    broker = brokers.get(entry[0])
    return broker is not None and broker.is_active and keeps(broker, entry[1])


def is_lost(entry: Entry, brokers: Brokers) -> bool:
    """Its broker has registered again and cannot prove that nothing was lost since, or was unregistered."""
    broker = brokers.get(entry[0])
    return broker is None or not keeps(broker, entry[1])


def keeps(broker: BrokerImage, epoch: int) -> bool:
    """Whether the broker still has everything it had in that epoch of its own."""
    return epoch == broker.epoch or 0 <= broker.predecessor_epoch <= epoch < broker.epoch


def elect(
    partition: PartitionImage, brokers: Brokers, *, unclean_allowed: bool = False, avoided: Container[int] = ()
) -> Election | None:
    """What must change so that the partition agrees with who is there; None when nothing must.

    `avoided`: brokers that lead only where no other in-sync or eligible replica can.
    """
    before = to_record(partition)
    isr, isr_absent = _sift(before.isr, brokers)
    elr, elr_absent = _sift(before.elr, brokers)
    absent = isr_absent + elr_absent
    if isr:
        election = Election(_led(before, isr, elr + absent, avoided), "isr")
    elif chosen := _first(before.replicas, _preferred(elr, avoided)):
        rest = [entry for entry in elr if entry != chosen] + absent
        election = Election(_led(before, [chosen], rest, ()), "elr")
    else:
        election = _last_resort(before, absent, brokers, unclean_allowed)
    return None if election.record == before else election


def _sift(entries: ReplicaEpochs, brokers: Brokers) -> tuple[list[Entry], list[Entry]]:
    """(active in their present epochs, absent as they were); the lost are dropped."""
    active = [(entry[0], brokers[entry[0]].epoch) for entry in entries if is_electable(entry, brokers)]
    absent = [entry for entry in entries if not is_electable(entry, brokers) and not is_lost(entry, brokers)]
    return active, absent


def _first(replicas: Sequence[int], entries: Iterable[Entry]) -> Entry | None:
    """The entry whose replica comes first in the assignment."""
    by_id = dict(entries)
    return next(((replica, by_id[replica]) for replica in replicas if replica in by_id), None)


def _preferred(entries: list[Entry], avoided: Container[int]) -> list[Entry]:
    """All but those to be avoided, where there are others."""
    return [entry for entry in entries if entry[0] not in avoided] or entries


def _led(before: PartitionRecord, isr: list[Entry], others: list[Entry], avoided: Container[int]) -> PartitionRecord:
    """Led by the present leader if it may go on, else by the first of the ISR."""
    present, able = (before.leader, before.leader_broker_epoch), _preferred(isr, avoided)
    chosen = present if present in able else _first(before.replicas, able)
    assert chosen is not None
    elr = [entry for entry in others if entry not in isr] if len(isr) < before.min_isr else []
    return _with_leader(before, chosen, isr, elr)


def _with_leader(before: PartitionRecord, leader: Entry, isr: list[Entry], elr: list[Entry]) -> PartitionRecord:
    is_same = (before.leader, before.leader_broker_epoch) == leader
    return msgspec.structs.replace(
        before,
        leader=leader[0],
        leader_broker_epoch=leader[1],
        leader_epoch=before.leader_epoch if is_same else before.leader_epoch + 1,
        isr=tuple(isr),
        elr=tuple(elr),
        last_leader=_last_leader(before) if leader[0] == NO_LEADER else leader[0],
    )


def led_by(record: PartitionRecord, leader: Entry) -> PartitionRecord:
    """The same in-sync replicas, led by that one of them."""
    return _with_leader(record, leader, list(record.isr), list(record.elr))


def _last_resort(before: PartitionRecord, absent: list[Entry], brokers: Brokers, unclean_allowed: bool) -> Election:
    """Nobody in ISR or ELR is there. Only when both are empty for good may the last leader come back by recovery."""
    last = brokers.get(_last_leader(before))
    if not absent and last is not None and last.is_active:
        return Election(_alone(before, last), "recovery")
    active = [brokers[replica] for replica in before.replicas if replica in brokers and brokers[replica].is_active]
    if unclean_allowed and active:
        return Election(_alone(before, active[0]), "unclean")
    return Election(_with_leader(before, (NO_LEADER, -1), [], absent), "none")


def _last_leader(record: PartitionRecord) -> int:
    return record.last_leader if record.leader == NO_LEADER else record.leader


def _alone(before: PartitionRecord, leader: BrokerImage) -> PartitionRecord:
    entry = (leader.broker_id, leader.epoch)
    return _with_leader(before, entry, [entry], [])


def elect_preferred(partition: PartitionImage, brokers: Brokers) -> PartitionRecord | None:
    """The first replica as leader; None when it is not in the ISR or not there."""
    return elect_member(partition, partition.replicas[0], brokers)


def elect_member(partition: PartitionImage, member: int, brokers: Brokers) -> PartitionRecord | None:
    """That member of the ISR as leader; None when it is not in the ISR or not there."""
    isr, _ = _sift(_entries(partition.isr, partition.isr_epochs), brokers)
    wanted = next((entry for entry in isr if entry[0] == member), None)
    if wanted is None:
        return None
    before = to_record(partition)
    refreshed = [wanted if entry[0] == wanted[0] else entry for entry in before.isr]
    return _with_leader(before, wanted, refreshed, list(before.elr))


def with_min_isr(record: PartitionRecord, min_isr: int) -> PartitionRecord:
    """A change of min.insync.replicas clears the ELR. It waits while there is no leader: the ELR is then needed."""
    if record.min_isr == min_isr or record.leader == NO_LEADER:
        return record
    return msgspec.structs.replace(record, min_isr=min_isr, elr=())


def project_brokers(
    image: ClusterImage, spared: Container[int] = (), dead: Container[int] = ()
) -> dict[int, BrokerImage]:
    """The brokers as they will be once fencing and unfencing have caught up with the leases.

    `spared`: not to be fenced although their leases are gone; `dead`: to be fenced although they are not.
    """

    def is_gone(broker_id: int, epoch: int) -> bool:
        return broker_id in dead or (image.live.get(broker_id) != epoch and broker_id not in spared)

    return {
        broker_id: msgspec.structs.replace(broker, fenced=is_gone(broker_id, broker.epoch))
        for broker_id, broker in image.brokers.items()
    }
