"""Random lives of a group: what has to hold whatever its members, its storage and its coordinator do."""

from itertools import count
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from kio.schema.errors import ErrorCode

from odradek.groups import membership
from odradek.groups.group import ClassicGroup
from odradek.groups.state import GroupState
from odradek.groups.vocabulary import JoinResult, LeavingMember
from tests.groups.script import INITIAL_DELAY_MS, REBALANCE_MS, Ask, Script, subscription

PROTOCOLS = st.sampled_from(
    [
        (("range", subscription("t")),),
        (("range", subscription("t", "u")), ("sticky", subscription("t"))),
        (("sticky", b""), ("range", subscription("u"))),
    ]
)
VERSIONS = st.sampled_from([3, 5, 9])
INSTANCES = st.sampled_from([None, None, "i1", "i2"])


def durable(group: ClassicGroup) -> Any:
    """What another coordinator has to know of a group at rest."""
    protocol = group.protocol_name or ""
    members = [
        (m.member_id, m.instance_id, m.session_timeout_ms, m.rebalance_timeout_ms, m.metadata(protocol), m.assignment)
        for m in group.members.values()
    ]
    return group.state, group.generation_id, group.protocol_type, group.protocol_name, group.leader, sorted(members)


class GroupLife(RuleBasedStateMachine):
    asks = Bundle("asks")

    def __init__(self) -> None:
        super().__init__()
        self.script = Script()
        self.term = 0
        self.highest_generation = 0
        self.leaders: dict[tuple[int, int], set[str]] = {}
        self.slots = count()
        self.owners: dict[bytes, str] = {}
        self.lost_a_record = False
        self.parked: list[Ask] = []
        self.members: list[tuple[Ask, str | None]] = []

    # ---- what clients do

    @rule(target=asks, instance=INSTANCES, protocols=PROTOCOLS, version=VERSIONS)
    def join_as_new(self, instance: str | None, protocols: Any, version: int) -> Any:
        ask = self.script.join(instance=instance, protocols=protocols, version=version)
        self.parked.append(ask)
        self.members.append((ask, instance))
        return multiple((ask, instance))

    @rule(target=asks, previous=consumes(asks), protocols=PROTOCOLS, version=VERSIONS)
    def join_again(self, previous: Any, protocols: Any, version: int) -> Any:
        ask, instance = previous
        if not isinstance(ask.result, JoinResult):
            return multiple(previous)
        again = self.script.join(ask.result.member_id, instance=instance, protocols=protocols, version=version)
        self.parked.append(again)
        self.members.append((again, instance))
        return multiple((again, instance))

    @rule(who=asks)
    def sync(self, who: Any) -> None:
        self.ask_for_assignment(*who)

    def ask_for_assignment(self, ask: Ask, instance: str | None) -> None:
        joined = ask.result
        if not isinstance(joined, JoinResult) or joined.error is not ErrorCode.none:
            return
        slots = (
            {m.member_id: str(next(self.slots)).encode() for m in joined.members} if not joined.skip_assignment else {}
        )
        sync = self.script.sync(joined.member_id, slots, generation=joined.generation_id, instance=instance)
        self.parked.append(sync)

    @rule()
    def everybody_carries_on(self) -> None:
        """As clients do: wait for the generation, then ask for the assignment."""
        self.script.pass_time(INITIAL_DELAY_MS)
        for ask, instance in self.members[-8:]:
            if isinstance(ask.result, JoinResult) and ask.result.generation_id == self.script.group.generation_id:
                self.ask_for_assignment(ask, instance)

    @rule(who=asks)
    def heartbeat(self, who: Any) -> None:
        ask, instance = who
        if ask.result is not None:
            self.script.heartbeat(ask.result.member_id, instance=instance, generation=ask.result.generation_id)

    @rule(who=consumes(asks))
    def leave(self, who: Any) -> None:
        ask, instance = who
        if ask.result is not None:
            self.script.leave(LeavingMember(ask.result.member_id, instance))

    # ---- what the world does

    @rule(duration_ms=st.sampled_from([1, 500, 3_000, 9_000, 11_000, REBALANCE_MS]))
    def time_passes(self, duration_ms: int) -> None:
        self.script.pass_time(duration_ms)

    @rule()
    def storing_takes_long(self) -> None:
        self.script.stores = False

    @rule()
    def storing_goes_on(self) -> None:
        self.script.stores = True
        self.script.store()

    @rule()
    def storing_fails(self) -> None:
        self.lost_a_record |= bool(self.script.held)
        self.script.store(ErrorCode.not_coordinator)

    @rule(stores_what_was_held=st.booleans())
    def another_coordinator_takes_over(self, stores_what_was_held: bool) -> None:
        old = self.script
        if stores_what_was_held:
            old.log += [metadata for metadata, _ in old.held]
        old.held = []
        old.carry_out(membership.bury(old.group, ErrorCode.not_coordinator, 0))
        self.look_at_answers()
        assert all(not ask.is_waiting for ask in self.parked)
        group = ClassicGroup.loaded("g", old.settings, old.log[-1]) if old.log else None
        self.script = Script(old.settings, group)
        self.script.log, self.script.now_ms, self.script._ids = old.log, old.now_ms, old._ids
        self.script.carry_out(membership.on_loaded(self.script.group, self.script.now))
        self.term += 1
        self.highest_generation = self.script.group.generation_id
        self.lost_a_record = False

    # ---- what has to hold

    @invariant()
    def look_at_answers(self) -> None:
        answered = [ask for ask in self.parked if not ask.is_waiting]
        self.parked = [ask for ask in self.parked if ask.is_waiting]
        for ask in answered:
            if ask.error is ErrorCode.none and isinstance(ask.result, JoinResult):
                self.look_at_generation(ask.result)
            elif ask.error is ErrorCode.none:
                self.look_at_assignment(ask)

    def look_at_generation(self, joined: JoinResult) -> None:
        if joined.leader == joined.member_id:
            leaders = self.leaders.setdefault((self.term, joined.generation_id), set())
            leaders.add(self.identity(joined.member_id))
            assert len(leaders) == 1, "a generation has one leader"

    def look_at_assignment(self, ask: Ask) -> None:
        slot = ask.synced.assignment
        if slot:
            stored = [member.assignment for metadata in self.script.log for member in metadata.members]
            assert slot in stored, "an assignment is stored before it is given out"
            owner = self.identity(ask.member_id)
            assert self.owners.setdefault(slot, owner) == owner, "two members own the same slot"

    def identity(self, member_id: str) -> str:
        """A static member is the same under all its ids."""
        return member_id.rpartition("-")[0] if member_id.startswith("i") else member_id

    @invariant()
    def generations_rise(self) -> None:
        assert self.script.group.generation_id >= self.highest_generation
        self.highest_generation = self.script.group.generation_id

    @invariant()
    def a_group_at_rest_is_what_is_stored_of_it(self) -> None:
        script = self.script
        at_rest = script.state in (GroupState.STABLE, GroupState.EMPTY) and not script.held and not self.lost_a_record
        if script.log and at_rest:
            assert durable(ClassicGroup.loaded("g", script.settings, script.log[-1])) == durable(script.group)

    @invariant()
    def the_group_wakes_in_time(self) -> None:
        group = self.script.group
        assert group.wake_ms <= group.earliest_deadline_ms()

    def teardown(self) -> None:
        """Left alone, nobody waits for ever."""
        self.script.stores = True
        self.script.store()
        for _ in range(10):
            self.script.pass_time(10 * REBALANCE_MS)
        self.look_at_answers()
        assert not self.parked
        assert self.script.state is GroupState.EMPTY


GroupLife.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestGroupLife = GroupLife.TestCase
