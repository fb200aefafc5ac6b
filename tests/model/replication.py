"""One partition on three brokers: logs, leaders, followers, the ISR in the metadata store, crashes and power losses.

What decides is the broker's own code: `elections.elect`, `in_sync.with_isr` and `may_change`, `Followers`,
`next_high_watermark`, the leader's comparison of epochs, the follower's `decide`. What the model adds is what may
happen between the decisions: brokers see the store late, changes of the ISR are on their way, processes die, machines
lose what they had not synced.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import NamedTuple
from uuid import UUID

from odradek.broker.handlers import fetch_plan
from odradek.cluster.elections import elect, keeps
from odradek.cluster.image import NO_LEADER, BrokerImage, ClusterImage, PartitionImage
from odradek.cluster.in_sync import IsrChange, may_change, with_isr
from odradek.cluster.membership import proven_since
from odradek.cluster.records import BrokerRecord, PartitionRecord, ReplicaEpochs
from odradek.log.epoch_cache import EpochCache
from odradek.log.life import NO_PROOF, Proof
from odradek.replication.followers import Followers
from odradek.replication.following import Cut, OwnLog, Take, decide
from odradek.replication.high_watermark import next_high_watermark
from odradek.wire.fetch import FetchPartition
from odradek.wire.replica_fetch import FetchedPartition

IDS = (0, 1, 2)
MIN_ISR = 2
TOPIC_ID = UUID(int=1)
DEAD, LOST_POWER = -1, -2
"""Instead of a broker epoch: the process is gone, or the machine with what was not synced."""
Log = tuple[int, ...]
"""The leader epoch of the record at each offset; the values differ by it and by the offset alone."""


class Registered(NamedTuple):
    """A broker in the metadata store."""

    epoch: int
    predecessor: int = -1
    fenced: bool = False


class Seen(NamedTuple):
    """The partition as a broker knows it: the record and its revision."""

    record: PartitionRecord
    revision: int

    @property
    def image(self) -> PartitionImage:
        return PartitionImage.of(self.record, self.revision)


class Member(NamedTuple):
    """What a leader knows of a follower."""

    broker_epoch: int
    offset: int
    counted: bool


class Leading(NamedTuple):
    """A leader's state besides its log. `proposed` is a change of the ISR that is on its way to the store."""

    epoch_start: int
    members: tuple[tuple[int, Member], ...]
    proposed: ReplicaEpochs | None = None
    proposed_on: Seen | None = None
    is_stored: bool = False
    is_uncertain: bool = False


class Replica(NamedTuple):
    """A broker's process and disk. `epoch` is its registration, DEAD or LOST_POWER without one."""

    log: Log
    synced: int
    high_watermark: int
    epoch: int
    seen: Seen
    was_in_sync: bool = True
    leading: Leading | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may happen in one history."""

    records: int = 2
    deaths: int = 2
    power_losses: int = 1
    isr_changes: int = 3


@dataclass(frozen=True, slots=True)
class State:
    replicas: tuple[Replica, ...]
    brokers: tuple[Registered, ...]
    store: Seen
    revision: int
    committed: Log
    """Ghost: the records that were ever below a high watermark of a leader."""
    left: Bounds
    problem: str | None = None

    def with_replica(self, index: int, replica: Replica) -> "State":
        replicas = list(self.replicas)
        replicas[index] = replica
        return replace(self, replicas=tuple(replicas))

    def with_broker(self, index: int, broker: Registered) -> "State":
        brokers = list(self.brokers)
        brokers[index] = broker
        return replace(self, brokers=tuple(brokers), revision=self.revision + 1)


def start(bounds: Bounds) -> State:
    epochs: ReplicaEpochs = tuple((each, each + 1) for each in IDS)
    record = PartitionRecord(IDS, 0, 1, 0, epochs, min_isr=MIN_ISR, last_leader=0)
    seen = Seen(record, 1)
    replicas = tuple(Replica((), 0, 0, each + 1, seen) for each in IDS)
    brokers = tuple(Registered(each + 1) for each in IDS)
    state = State(replicas, brokers, seen, 1, (), bounds)
    return _learn(state, 0)


def brokers_of(state: State) -> dict[int, BrokerImage]:
    return {
        each: BrokerImage(each, broker.epoch, "", (), None, "", broker.predecessor, broker.fenced, False, 1)
        for each, broker in enumerate(state.brokers)
    }


def steps(state: State) -> Iterator[tuple[str, State]]:
    """Everything that may happen next."""
    if state.problem is not None:
        return
    for each in IDS:
        replica = state.replicas[each]
        if replica.epoch < 0:
            yield from _named(f"{each} starts", _restart(state, each))
            continue
        if replica.seen != state.store:
            yield f"{each} learns", _learn(state, each)
        if replica.leading is not None:
            yield from _leader_steps(state, each, replica, replica.leading)
        for other in IDS:
            if other != each and replica.leading is None and replica.seen.record.leader == other:
                yield from _named(f"{each} fetches from {other}", _fetch(state, each, other))
        if replica.synced < len(replica.log):
            yield f"{each} syncs", state.with_replica(each, replica._replace(synced=len(replica.log)))
        yield from _deaths(state, each)
    yield from _controller_steps(state)


def _named(name: str, after: State | None) -> Iterator[tuple[str, State]]:
    if after is not None:
        yield name, after


# -- brokers ----------------------------------------------------------------------------------------------------------


def _learn(state: State, index: int) -> State:
    """The image of this broker reaches the store's present state."""
    replica = state.replicas[index]
    record, before = state.store.record, replica.seen.record
    if (record.leader, record.leader_broker_epoch) != (index, replica.epoch):
        was_in_sync = index in dict(record.isr) or (
            replica.was_in_sync and before.leader_epoch == record.leader_epoch and replica.leading is None
        )
        return state.with_replica(index, replica._replace(seen=state.store, leading=None, was_in_sync=was_in_sync))
    if replica.leading is not None and before.leader_epoch == record.leader_epoch:
        followers = _followers(replica, replica.leading, index)
        followers.follow(state.store.image, 0.0)
        settled = replica.leading._replace(proposed=None, proposed_on=None, is_stored=False)
        leading = _remember(settled, followers)
        return _advance(state, index, replica._replace(seen=state.store, leading=leading))
    members = tuple((each, Member(-1, -1, each in dict(record.isr))) for each in record.replicas if each != index)
    leading = Leading(len(replica.log), members)
    after = _advance(state, index, replica._replace(seen=state.store, leading=leading, was_in_sync=True))
    if replica.log[: len(state.committed)] != state.committed:
        return replace(after, problem=f"{index} leads with {replica.log}, but {state.committed} was committed")
    return after


def _followers(replica: Replica, leading: Leading, index: int) -> Followers:
    """The broker's own object, in the state that is remembered."""
    seen = leading.proposed_on or replica.seen
    followers = Followers(index, replica.seen.image if leading.proposed_on is None else seen.image, 0.0)
    for broker_id, member in leading.members:
        state = followers.get(broker_id)
        assert state is not None
        state.broker_epoch, state.offset, state.counted = member
    followers.is_changing, followers.is_uncertain = leading.proposed is not None, leading.is_uncertain
    return followers


def _remember(leading: Leading, followers: Followers) -> Leading:
    members = tuple((each.broker_id, Member(each.broker_epoch, each.offset, each.counted)) for each in followers)
    return leading._replace(members=members, is_uncertain=followers.is_uncertain)


def _advance(state: State, index: int, replica: Replica) -> State:
    """The leader's high watermark, and what is known to be committed since."""
    assert replica.leading is not None
    followers = _followers(replica, replica.leading, index)
    moved = next_high_watermark(
        replica.high_watermark, len(replica.log), followers, isr_size=followers.isr_size, min_isr=MIN_ISR
    )
    replica = replica._replace(high_watermark=moved)
    visible, committed = replica.log[:moved], state.committed
    problem = state.problem
    shared = min(len(visible), len(committed))
    if visible[:shared] != committed[:shared]:
        problem = f"{index} shows {visible} where {committed} was shown before"
    longest = visible if len(visible) > len(committed) else committed
    return replace(state.with_replica(index, replica), committed=longest, problem=problem)


def _leader_steps(state: State, index: int, replica: Replica, leading: Leading) -> Iterator[tuple[str, State]]:
    if state.left.records > 0:
        appended = replica._replace(log=(*replica.log, replica.seen.record.leader_epoch))
        left = replace(state.left, records=state.left.records - 1)
        yield f"{index} appends", _advance(replace(state, left=left), index, appended)
    if leading.proposed is not None:
        yield from _proposal_steps(state, index, replica, leading)
    elif state.left.isr_changes > 0:
        for lag_s_max in (1.0, -1.0):  # Nobody lags, or everybody who has not everything.
            yield from _named(f"{index} proposes", _propose(state, index, replica, leading, lag_s_max))


def _propose(state: State, index: int, replica: Replica, leading: Leading, lag_s_max: float) -> State | None:
    followers = _followers(replica, leading, index)
    isr = followers.propose(
        replica.epoch,
        brokers_of(state),
        high_watermark=replica.high_watermark,
        epoch_start=leading.epoch_start,
        end_offset=len(replica.log) if lag_s_max > 0 else len(replica.log) + 1,
        now_s=0.0,
        lag_s_max=lag_s_max,
    )
    if isr is None:
        return None
    proposed = _remember(leading, followers)._replace(proposed=isr, proposed_on=replica.seen)
    left = replace(state.left, isr_changes=state.left.isr_changes - 1)
    return replace(state.with_replica(index, replica._replace(leading=proposed)), left=left)


def _proposal_steps(state: State, index: int, replica: Replica, leading: Leading) -> Iterator[tuple[str, State]]:
    """The store takes the change or refuses it, and the leader hears of it, or of nothing for now."""
    assert leading.proposed is not None
    assert leading.proposed_on is not None
    if leading.is_stored:
        return
    before = leading.proposed_on.image
    change = IsrChange(TOPIC_ID, 0, before, leading.proposed)
    image = ClusterImage(brokers=brokers_of(state), parts={TOPIC_ID: {0: state.store.image}})
    if may_change(image, change, index, replica.epoch):
        seen = Seen(with_isr(before, leading.proposed), state.revision + 1)
        stored = state.with_replica(index, replica._replace(leading=leading._replace(is_stored=True)))
        yield f"the ISR of {index} is stored", replace(stored, store=seen, revision=state.revision + 1)
        return
    followers = _followers(replica, leading, index)
    followers.failed(is_certain=True)
    failed = _remember(leading._replace(proposed=None, proposed_on=None), followers)
    yield f"{index} is refused", _advance(state, index, replica._replace(leading=failed))


def _fetch(state: State, index: int, leader_id: int) -> State | None:
    """Request, answer, append: the leader learns how far the replica is, the replica how far the leader is."""
    replica, leader = state.replicas[index], state.replicas[leader_id]
    if leader.leading is None or leader.seen.record.leader_epoch != replica.seen.record.leader_epoch:
        return None
    wanted = FetchPartition(
        0, replica.seen.record.leader_epoch, len(replica.log), replica.log[-1] if replica.log else -1, 0, 1
    )
    diverging = None
    if wanted.last_fetched_epoch >= 0:
        asked = SimpleNamespace(
            log=SimpleNamespace(end_offset_for_epoch=lambda epoch: _ends_of(leader, epoch)), log_start_offset=0
        )
        error, diverging = fetch_plan._compare_epochs(asked, wanted)  # type: ignore[arg-type]
        if error.value:
            return None
    if diverging is None and len(replica.log) > len(leader.log):
        return None
    return _apply(state, index, leader_id, diverging)


def _ends_of(leader: Replica, epoch: int) -> tuple[int, int]:
    cache = _epochs(leader.log)
    if leader.leading is not None:
        cache.assign(leader.seen.record.leader_epoch, leader.leading.epoch_start)
    return cache.end_offset_for(epoch, len(leader.log))


def _epochs(log: Log) -> EpochCache:
    cache = EpochCache()
    for offset, epoch in enumerate(log):
        cache.assign(epoch, offset)
    return cache


def _apply(state: State, index: int, leader_id: int, diverging: tuple[int, int] | None) -> State | None:
    replica, leader = state.replicas[index], state.replicas[leader_id]
    assert leader.leading is not None
    own = OwnLog(0, len(replica.log), replica.high_watermark, _epochs(replica.log), replica.was_in_sync)
    answer = FetchedPartition(TOPIC_ID.bytes, 0, 0, leader.high_watermark, 0, memoryview(b""), diverging)
    decision = decide(answer, own)
    if isinstance(decision, Cut):
        log = replica.log[: decision.offset]
        high_watermark = min(replica.high_watermark, len(log))
        cut = replica._replace(log=log, synced=min(replica.synced, len(log)), high_watermark=high_watermark)
        return state.with_replica(index, cut)
    if not isinstance(decision, Take):
        return replace(state, problem=f"{index} cannot follow {leader_id}: {decision}")
    followers = _followers(leader, leader.leading, leader_id)
    member = followers.state_of(index, replica.epoch)
    if member is None:
        return None
    member.fetched(len(replica.log), 0, len(leader.log), 0.0)
    told = leader._replace(leading=_remember(leader.leading, followers))
    after = _advance(state, leader_id, told)
    log = leader.log[: len(replica.log) + 1]
    high_watermark = max(replica.high_watermark, min(after.replicas[leader_id].high_watermark, len(log)))
    return after.with_replica(index, replica._replace(log=log, high_watermark=high_watermark))


def _deaths(state: State, index: int) -> Iterator[tuple[str, State]]:
    replica, left = state.replicas[index], state.left
    if left.deaths > 0:
        dead = replica._replace(epoch=DEAD, leading=None)
        yield f"{index} dies", replace(state.with_replica(index, dead), left=replace(left, deaths=left.deaths - 1))
    if left.power_losses > 0 and _is_kept_elsewhere(state, index):
        dead = replica._replace(log=replica.log[: replica.synced], epoch=LOST_POWER, leading=None)
        lost = replace(left, power_losses=left.power_losses - 1)
        yield f"{index} loses its power", replace(state.with_replica(index, dead), left=lost)


def _is_kept_elsewhere(state: State, index: int) -> bool:
    """The promise for one machine's power: another in-sync replica, which runs, has everything that is committed.

    One at a time: before the next machine goes, the cluster has noticed that the last one came back without proof.
    """
    brokers, record = brokers_of(state), state.store.record
    entries = (*record.isr, *record.elr)
    if any(each.epoch == LOST_POWER for each in state.replicas) or not all(keeps(brokers[x], e) for x, e in entries):
        return False
    return any(
        each != index
        and state.replicas[each].epoch >= 0
        and state.replicas[each].log[: len(state.committed)] == state.committed
        for each, _ in entries
    )


def _restart(state: State, index: int) -> State:
    """The process comes back and registers, with a proof unless the machine lost its power."""
    replica, broker = state.replicas[index], state.brokers[index]
    previous = BrokerRecord(broker.epoch, "", (), predecessor_epoch=broker.predecessor)
    predecessor = proven_since(previous, Proof(broker.epoch) if replica.epoch == DEAD else NO_PROOF)
    epoch = max(each.epoch for each in state.brokers) + 1
    back = replica._replace(
        epoch=epoch,
        synced=len(replica.log),
        high_watermark=min(replica.high_watermark, len(replica.log)),
        seen=state.store,
        was_in_sync=False,
    )
    return state.with_replica(index, back).with_broker(index, Registered(epoch, predecessor, fenced=True))


# -- the controller ---------------------------------------------------------------------------------------------------


def _controller_steps(state: State) -> Iterator[tuple[str, State]]:
    for index, broker in enumerate(state.brokers):
        is_there = state.replicas[index].epoch == broker.epoch
        if not broker.fenced and not is_there:
            yield f"{index} is fenced", _elected(state.with_broker(index, broker._replace(fenced=True)))
        if broker.fenced and is_there:
            yield f"{index} is unfenced", _elected(state.with_broker(index, broker._replace(fenced=False)))


def _elected(state: State) -> State:
    """Elections go with what caused them: a broker counts as unfenced only once its entries are up to date."""
    election = elect(state.store.image, brokers_of(state))
    if election is None:
        return state
    record = election.record
    if election.kind == "recovery" and record.leader != NO_LEADER:
        return replace(state, problem=f"only {record.leader} was left to lead, without proof of what it has")
    return replace(state, store=Seen(record, state.revision + 1), revision=state.revision + 1)


def problem_of(state: State) -> str | None:
    """A broken invariant: what a step noticed, or what is wrong with the state as it is."""
    if state.problem is not None:
        return state.problem
    record = state.store.record
    if record.leader != NO_LEADER and (record.leader, record.leader_broker_epoch) not in record.isr:
        return f"the leader {record.leader} is not in its ISR {record.isr}"
    for broker_id, epoch in record.isr:
        replica = state.replicas[broker_id]
        lives_on = epoch == state.brokers[broker_id].epoch and replica.epoch != LOST_POWER
        if lives_on and replica.log[: len(state.committed)] != state.committed:
            return f"{broker_id} is in sync with {replica.log}, but {state.committed} was committed"
    return None
