"""Random walks of one partition through crashes, elections and reassignments: what is committed stays with its leaders.

Each replica holds the records up to some number; `committed` is what every member of the ISR has held at some time.
The steps are the broker's own decisions.
"""

import random
from dataclasses import dataclass, field

import msgspec
import pytest

from odradek.cluster.elections import elect, elect_member, is_electable, is_lost, to_record
from odradek.cluster.image import BrokerImage, PartitionImage
from odradek.cluster.reassignments import (
    cancelled,
    finished,
    is_reassigning,
    original_replicas,
    reassigned,
    target_replicas,
)
from odradek.cluster.records import PartitionRecord
from tests.cluster.clusters import broker

IDS = (1, 2, 3, 4, 5)


@dataclass
class Walk:
    """The partition, the brokers, and how much each of these holds of it."""

    record: PartitionRecord
    brokers: dict[int, BrokerImage] = field(default_factory=lambda: {each: broker(each) for each in IDS})
    held: dict[int, int] = field(default_factory=lambda: dict.fromkeys(IDS, 0))
    committed: int = 0
    epoch: int = 1

    @property
    def image(self) -> PartitionImage:
        return PartitionImage.of(self.record, 1)

    @property
    def is_led(self) -> bool:
        leader = self.brokers.get(self.record.leader)
        return leader is not None and leader.is_active and leader.epoch == self.record.leader_broker_epoch

    def write(self) -> None:
        """A record that is committed: the whole ISR is there and large enough."""
        isr = [each for each, _ in self.record.isr]
        is_whole = all(is_electable(entry, self.brokers) for entry in self.record.isr)
        if self.is_led and is_whole and len(isr) >= min(self.record.min_isr, len(self.record.replicas)):
            self.committed += 1
            self.held.update(dict.fromkeys(isr, self.committed))

    def catch_up(self, broker_id: int) -> None:
        """The leader takes a replica that has everything into the ISR."""
        member = self.brokers.get(broker_id)
        isr = dict(self.record.isr)
        if not self.is_led or member is None or not member.is_active or broker_id not in self.record.replicas:
            return
        self.held[broker_id] = self.held[self.record.leader]
        isr[broker_id] = member.epoch
        elr = tuple(entry for entry in self.record.elr if entry[0] != broker_id)
        elr = elr if len(isr) < self.record.min_isr else ()
        self.record = msgspec.structs.replace(self.record, isr=tuple(isr.items()), elr=elr)

    def stop(self, broker_id: int) -> None:
        if broker_id in self.brokers:
            self.brokers[broker_id] = msgspec.structs.replace(self.brokers[broker_id], fenced=True)

    def start(self, broker_id: int, keeps: bool) -> None:
        """In a new epoch: with proof that nothing was lost, or with nothing."""
        earlier = self.brokers.get(broker_id)
        self.epoch += 1
        keeps = keeps and earlier is not None
        self.held[broker_id] = self.held[broker_id] if keeps else 0
        proof = earlier.epoch if keeps and earlier is not None else -1
        self.brokers[broker_id] = broker(broker_id, self.epoch, predecessor=proof)

    def unregister(self, broker_id: int) -> None:
        if broker_id in self.brokers and self.brokers[broker_id].fenced:
            del self.brokers[broker_id]

    def govern(self) -> bool:
        """The controller brings the partition up to date; False when that was no clean election."""
        election = elect(self.image, self.brokers)
        if election is None:
            return True
        self.record = election.record
        return election.kind in ("isr", "elr", "none")

    def transfer(self, broker_id: int) -> None:
        self.record = elect_member(self.image, broker_id, self.brokers) or self.record

    def keepers(self) -> set[int]:
        """Replicas that are known to hold everything committed, and may be elected when their brokers are there."""
        entries = [entry for entry in (*self.record.isr, *self.record.elr) if not is_lost(entry, self.brokers)]
        return {each for each, _ in entries}

    def change(self, after: PartitionRecord | None) -> None:
        """A step of a reassignment: it never takes the last replica that holds everything."""
        if after is None:
            return
        isr_before, keepers = {each for each, _ in self.record.isr}, self.keepers()
        before, self.record = self.record, after
        members = {each for each, _ in after.isr}
        assert members <= isr_before | {each for each, _ in before.elr}
        assert not keepers or self.keepers()
        if is_reassigning(after):
            assert (after.isr, after.elr) == (before.isr, before.elr)


WEIGHTS = {
    "write": 6, "govern": 6, "catch_up": 10, "finish": 5, "reassign": 2, "cancel": 1, "transfer": 1, "stop": 3,
    "keep": 3, "lose": 1, "unregister": 1,
}  # fmt: skip
WALKS, STEPS = 150, 120


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_leader_has_everything_committed_wherever_its_replicas_move(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(WALKS):
        replicas = IDS[: source.randint(1, 3)]
        isr = tuple((each, 1) for each in replicas)
        walk = Walk(PartitionRecord(replicas, 1, 1, 0, isr, min_isr=source.randint(1, 2), last_leader=1))
        for step in source.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS):
            if not take(walk, step, source.sample(IDS, source.randint(1, 3))):
                break
            check(walk)


def check(walk: Walk) -> None:
    """Whoever may be elected cleanly, now or once it is back, has everything that was committed."""
    record = walk.record
    assert record.leader == -1 or (record.leader, record.leader_broker_epoch) in record.isr
    assert {each for each, _ in (*record.isr, *record.elr)} <= set(record.replicas)
    assert target_replicas(record)
    assert original_replicas(record)
    assert all(walk.held[keeper] >= walk.committed for keeper in walk.keepers())


def take(walk: Walk, name: str, ids: list[int]) -> bool:
    """One step; False when records may have been lost, as with every in-sync replica's disk: the walk ends there."""
    if name == "govern":
        return walk.govern()
    if name == "write":
        walk.write()
    elif name == "finish":
        walk.change(finished(walk.record, walk.brokers))
    elif name == "cancel":
        walk.change(
            cancelled(walk.record, walk.brokers, unclean_allowed=False) if is_reassigning(walk.record) else None
        )
    elif name == "reassign":
        walk.change(reassigned(walk.record, ids) if set(ids) <= walk.brokers.keys() else None)
    elif name in ("keep", "lose"):
        walk.start(ids[0], name == "keep")
    else:
        getattr(walk, name)(ids[0])
    return True


def test_a_walk_remembers_its_records() -> None:
    walk = Walk(PartitionRecord((1,), 1, 1, 0, ((1, 1),), last_leader=1))
    walk.write()
    walk.change(reassigned(walk.record, (2,)))
    walk.catch_up(2)
    walk.change(finished(walk.record, walk.brokers))
    assert (walk.record.replicas, walk.record.leader, walk.held[2]) == ((2,), 2, 1)
    assert to_record(walk.image) == walk.record
