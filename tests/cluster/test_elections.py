"""Who may lead: epochs and proofs decide, never the mere presence of a broker."""

from hypothesis import given
from hypothesis import strategies as st

from odradek.cluster.elections import elect, elect_preferred, is_electable, with_min_isr
from odradek.cluster.image import BrokerImage, PartitionImage
from odradek.cluster.records import PartitionRecord
from tests.cluster.clusters import broker, brokers, partition


def elected(before: PartitionImage, *registered: BrokerImage, unclean: bool = False) -> tuple[str, PartitionRecord]:
    election = elect(before, brokers(*registered), unclean_allowed=unclean)
    assert election is not None
    return election.kind, election.record


def test_nothing_changes_while_everybody_is_there() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1), (1, 1)], last_leader=0)
    assert elect(led, brokers(broker(0), broker(1))) is None


def test_who_is_to_be_avoided_leads_only_where_nobody_else_in_sync_can() -> None:
    led = partition([0, 1, 2], leader=(0, 1), isr=[(0, 1), (2, 1)], last_leader=0)
    present = brokers(broker(0), broker(1), broker(2))
    election = elect(led, present, avoided={0})
    assert election is not None
    assert (election.kind, election.record.leader, election.record.leader_epoch) == ("isr", 2, 6)
    assert election.record.isr == led_isr(led), "it keeps its place in sync"
    assert elect(led, present, avoided={0, 2}) is None


def led_isr(of: PartitionImage) -> tuple[tuple[int, int], ...]:
    return tuple(zip(of.isr, of.isr_epochs, strict=True))


def test_who_is_to_be_avoided_takes_over_when_the_others_are_gone() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1), (1, 1)])
    election = elect(led, brokers(broker(0, fenced=True), broker(1)), avoided={1})
    assert election is not None
    assert election.record.leader == 1


def test_a_restart_is_an_election_with_a_new_leader_epoch() -> None:
    led = partition([0], leader=(0, 1), isr=[(0, 1)])
    kind, record = elected(led, broker(0, 9, predecessor=1))
    assert kind == "isr"
    assert (record.leader, record.leader_broker_epoch, record.leader_epoch) == (0, 9, 6)
    assert record.isr == ((0, 9),)


def test_the_next_of_the_isr_takes_over_from_a_fenced_leader() -> None:
    led = partition([0, 1, 2], leader=(0, 1), isr=[(0, 1), (1, 1), (2, 1)])
    kind, record = elected(led, broker(0, fenced=True), broker(1), broker(2))
    assert (kind, record.leader, record.leader_epoch, record.isr) == ("isr", 1, 6, ((1, 1), (2, 1)))
    assert record.elr == ()


def test_a_follower_that_leaves_does_not_change_the_leader_epoch() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1), (1, 1)], last_leader=0)
    _, record = elected(led, broker(0), broker(1, fenced=True))
    assert (record.leader, record.leader_epoch, record.isr) == (0, 5, ((0, 1),))


def test_who_leaves_the_isr_below_min_isr_stays_eligible() -> None:
    led = partition([0, 1, 2], leader=(0, 1), isr=[(0, 1), (1, 1)], min_isr=2)
    _, record = elected(led, broker(0, fenced=True), broker(1))
    assert (record.isr, record.elr) == (((1, 1),), ((0, 1),))


def test_an_election_from_the_elr_only_when_the_isr_is_empty() -> None:
    orphan = partition([0, 1, 2], isr=[], elr=[(1, 1), (2, 1)], min_isr=2, last_leader=0)
    kind, record = elected(orphan, broker(0, 9), broker(1), broker(2, fenced=True))
    assert (kind, record.leader, record.isr, record.elr) == ("elr", 1, ((1, 1),), ((2, 1),))


def test_an_entry_of_an_old_incarnation_is_never_elected() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1), (1, 1)])
    kind, record = elected(led, broker(0, 1, fenced=True), broker(1, 7))
    assert (kind, record.leader, record.isr, record.elr) == ("none", -1, (), ((0, 1),))


def test_without_anybody_the_partition_has_no_leader_and_remembers_who_may_come_back() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1)], last_leader=0)
    kind, record = elected(led, broker(0, fenced=True), broker(1))
    assert (kind, record.leader, record.leader_epoch, record.elr, record.last_leader) == ("none", -1, 6, ((0, 1),), 0)


def test_the_last_leader_comes_back_without_proof_by_recovery_alone() -> None:
    led = partition([0], leader=(0, 1), isr=[(0, 1)], last_leader=0)
    kind, record = elected(led, broker(0, 9))
    assert (kind, record.leader, record.leader_epoch, record.isr) == ("recovery", 0, 6, ((0, 9),))


def test_no_recovery_while_somebody_of_the_isr_may_still_come_back() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1), (1, 1)], last_leader=0)
    kind, record = elected(led, broker(0, 9), broker(1, fenced=True))
    assert (kind, record.leader, record.elr) == ("none", -1, ((1, 1),))


def test_another_replica_leads_only_by_unclean_election() -> None:
    orphan = partition([0, 1], isr=[], elr=[(0, 1)], last_leader=0)
    assert elect(orphan, brokers(broker(0, fenced=True), broker(1))) is None
    kind, record = elected(orphan, broker(0, fenced=True), broker(1), unclean=True)
    assert (kind, record.leader, record.isr, record.elr) == ("unclean", 1, ((1, 1),), ())


def test_the_elr_is_cleared_once_the_isr_suffices() -> None:
    led = partition([0, 1], leader=(0, 1), isr=[(0, 1)], elr=[(1, 1)], min_isr=1)
    _, record = elected(led, broker(0), broker(1, fenced=True))
    assert record.elr == ()


def test_the_preferred_replica_leads_when_it_is_in_sync() -> None:
    led = partition([0, 1], leader=(1, 1), isr=[(1, 1), (0, 1)])
    record = elect_preferred(led, brokers(broker(0), broker(1)))
    assert record is not None
    assert (record.leader, record.leader_epoch, record.isr) == (0, 6, ((1, 1), (0, 1)))


def test_the_preferred_replica_does_not_lead_when_it_is_not_in_sync() -> None:
    led = partition([0, 1], leader=(1, 1), isr=[(1, 1)])
    assert elect_preferred(led, brokers(broker(0), broker(1))) is None
    stale = partition([0, 1], leader=(1, 1), isr=[(1, 1), (0, 1)])
    assert elect_preferred(stale, brokers(broker(0, 2), broker(1))) is None


def test_a_change_of_min_isr_clears_the_elr_but_waits_for_a_leader() -> None:
    led = PartitionRecord((0, 1), 0, 1, 5, ((0, 1),), ((1, 1),), min_isr=2)
    assert with_min_isr(led, 1) == PartitionRecord((0, 1), 0, 1, 5, ((0, 1),), (), min_isr=1)
    orphan = PartitionRecord((0, 1), -1, -1, 5, (), ((1, 1),), min_isr=2)
    assert with_min_isr(orphan, 1) == orphan


def test_who_led_last_is_remembered_whatever_was_remembered_before() -> None:
    led = partition([0, 1], leader=(1, 2), isr=[(1, 2)], last_leader=0)
    _, record = elected(led, broker(0), broker(1, 2, fenced=True))
    assert (record.leader, record.last_leader) == (-1, 1)


broker_states = st.builds(
    broker,
    st.just(0),
    st.integers(1, 4),
    predecessor=st.sampled_from([-1, 1, 2, 3]),
    fenced=st.booleans(),
    draining=st.booleans(),
)
entries = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), max_size=4, unique_by=lambda entry: entry[0])


@st.composite
def situations(draw: st.DrawFn) -> tuple[PartitionImage, dict[int, BrokerImage]]:
    replicas = draw(st.permutations([0, 1, 2, 3]))
    isr = draw(entries)
    elr = [entry for entry in draw(entries) if entry[0] not in dict(isr)]
    leader = draw(st.sampled_from([*isr, (-1, -1)]))
    before = partition(replicas, leader=leader, isr=isr, elr=elr, min_isr=draw(st.integers(1, 3)), last_leader=0)
    known = draw(st.lists(st.integers(0, 3), unique=True))
    states = {each: draw(broker_states) for each in known}
    return before, {
        each: broker(each, state.epoch, predecessor=min(state.predecessor_epoch, state.epoch - 1),
                     fenced=state.fenced, draining=state.draining)
        for each, state in states.items()
    }  # fmt: skip


@given(situations(), st.booleans())
def test_whatever_happens_the_rules_hold(
    situation: tuple[PartitionImage, dict[int, BrokerImage]], unclean: bool
) -> None:
    before, registered = situation
    election = elect(before, registered, unclean_allowed=unclean)
    if election is None:
        return
    record, kind = election.record, election.kind
    old_isr = dict(zip(before.isr, before.isr_epochs, strict=True))
    old_elr = dict(zip(before.elr, before.elr_epochs, strict=True))
    isr, elr = dict(record.isr), dict(record.elr)
    assert not set(isr) & set(elr)
    assert not elr or len(isr) < record.min_isr
    for member, epoch in isr.items():
        assert registered[member].is_active
        assert registered[member].epoch == epoch
    if record.leader == -1:
        assert isr == {}
        return
    assert isr[record.leader] == record.leader_broker_epoch
    moved = (record.leader, record.leader_broker_epoch) != (before.leader, before.leader_broker_epoch)
    assert record.leader_epoch == before.leader_epoch + moved
    if kind in ("isr", "elr"):
        source = old_isr if kind == "isr" else old_elr
        assert is_electable((record.leader, source[record.leader]), registered)
    if kind == "elr":
        assert not any(is_electable(entry, registered) for entry in old_isr.items())


@given(situations())
def test_an_election_settles_the_partition(situation: tuple[PartitionImage, dict[int, BrokerImage]]) -> None:
    before, registered = situation
    election = elect(before, registered)
    if election is not None:
        assert elect(PartitionImage.of(election.record, 2), registered) is None
