"""The leader's view of a partition's other replicas: how far each is, who is in sync, who is about to join or leave.

Pure: time is given. The rules are Kafka's (KIP-497, KIP-903, KIP-966):
- A replica is in sync while it has all of the leader's log, or had it less than replica.lag.time.max.ms ago.
- One that is not joins when it has reached the high watermark and the start of the leader's epoch, and its broker is
  active in the broker epoch it fetches with.
- A replica counts for the high watermark from the moment its joining is proposed until its leaving is committed.
"""

from collections.abc import Container, Iterator, Mapping

from odradek.cluster.image import BrokerImage, PartitionImage
from odradek.cluster.records import ReplicaEpochs

UNKNOWN = -1
"""An offset or epoch of a replica that has not fetched yet."""


class FollowerState:
    """One replica: `offset` is the one in its last fetch, up to where it has everything. Times are seconds."""

    __slots__ = (
        "broker_epoch", "broker_id", "caught_up_s", "counted", "end_at_fetch", "fetched_s", "log_start_offset",
        "offset",
    )  # fmt: skip

    def __init__(self, broker_id: int, offset: int = UNKNOWN, counted: bool = False, caught_up_s: float = 0.0) -> None:
        self.broker_id = broker_id
        self.broker_epoch = UNKNOWN
        self.offset = offset
        self.log_start_offset = UNKNOWN
        self.counted = counted
        """In the committed ISR, or about to join it: it has to be waited for."""
        self.fetched_s = caught_up_s
        self.end_at_fetch = UNKNOWN
        """The leader's log end at its last fetch."""
        self.caught_up_s = caught_up_s
        """When it was last known to have all there was."""

    def fetched(self, offset: int, log_start_offset: int, end_offset: int, now_s: float) -> None:
        """It asks for what comes at `offset`, and the leader's log ends at `end_offset`."""
        if offset >= end_offset:
            self.caught_up_s = now_s
        elif offset >= self.end_at_fetch:
            self.caught_up_s = max(self.caught_up_s, self.fetched_s)
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.fetched_s = now_s
        self.end_at_fetch = end_offset

    def is_in_sync(self, end_offset: int, now_s: float, lag_s_max: float) -> bool:
        """Having everything counts whatever the time: an idle partition is in sync."""
        if self.offset >= end_offset:
            self.caught_up_s = now_s
        return now_s - self.caught_up_s <= lag_s_max


class Followers:
    """All replicas but the leader's own, in one leader epoch. `image` is the partition as it is committed."""

    __slots__ = ("_states", "image", "is_changing", "is_uncertain", "leader_id")

    def __init__(self, leader_id: int, image: PartitionImage, now_s: float) -> None:
        self.leader_id = leader_id
        self.image = image
        self._states: dict[int, FollowerState] = {}
        self.is_changing = False
        """A change of the ISR is being written."""
        self.is_uncertain = False
        """One was written, and nobody knows whether it counts or will: only another write on top of it settles that."""
        self.follow(image, now_s)

    def __iter__(self) -> Iterator[FollowerState]:
        return iter(self._states.values())

    def __len__(self) -> int:
        return len(self._states)

    @property
    def isr_size(self) -> int:
        return len(self.image.isr)

    def get(self, broker_id: int) -> FollowerState | None:
        return self._states.get(broker_id)

    def follow(self, image: PartitionImage, now_s: float) -> None:
        """The image as it is now, in the same leader epoch. A newer committed state settles what was proposed."""
        if image.mod_revision == self.image.mod_revision and self._states:
            return
        self.image = image
        self.is_changing = self.is_uncertain = False
        states = {}
        for broker_id in image.replicas:
            if broker_id == self.leader_id:
                continue
            state = self._states.get(broker_id) or FollowerState(broker_id, caught_up_s=now_s)
            state.counted = broker_id in image.isr
            states[broker_id] = state
        self._states = states

    def state_of(self, broker_id: int, broker_epoch: int) -> FollowerState | None:
        """Of a replica that fetches in the given broker epoch; None when it is not assigned, or an old incarnation."""
        state = self._states.get(broker_id)
        if state is None or broker_epoch < state.broker_epoch:
            return None
        if broker_epoch > state.broker_epoch:
            state.broker_epoch = broker_epoch
        return state

    def may_join(
        self, state: FollowerState, high_watermark: int, epoch_start: int, brokers: Mapping[int, BrokerImage]
    ) -> bool:
        """Whether a replica that is not in the ISR has become in sync."""
        if state.broker_id in self.image.isr or state.offset < max(high_watermark, epoch_start):
            return False
        broker = brokers.get(state.broker_id)
        return broker is not None and broker.is_active and broker.epoch == state.broker_epoch

    def propose(
        self,
        own_epoch: int,
        brokers: Mapping[int, BrokerImage],
        *,
        high_watermark: int,
        epoch_start: int,
        end_offset: int,
        now_s: float,
        lag_s_max: float,
        min_isr: int = 1,
        gray: Container[int] = (),
    ) -> ReplicaEpochs | None:
        """The ISR to be written, in the order of assignment; None when there is nothing to write.

        Replicas that are to join are counted from now on. Those of `gray` brokers are in it only as far as there would
        be too few without them.
        """
        if self.is_changing:
            return None
        committed = dict(zip(self.image.isr, self.image.isr_epochs, strict=True))
        wanted: list[tuple[int, int]] = []
        for broker_id in self.image.replicas:
            if broker_id == self.leader_id:
                wanted.append((broker_id, own_epoch))
                continue
            state = self._states[broker_id]
            if broker_id in committed:
                if state.is_in_sync(end_offset, now_s, lag_s_max):
                    wanted.append((broker_id, committed[broker_id]))
            elif self.may_join(state, high_watermark, epoch_start, brokers):
                wanted.append((broker_id, state.broker_epoch))
        self._spare(wanted, gray, min_isr)
        if not self.is_uncertain and {broker_id for broker_id, _ in wanted} == set(committed):
            return None
        for broker_id, _ in wanted:
            if broker_id != self.leader_id:
                self._states[broker_id].counted = True
        self.is_changing = True
        return tuple(wanted)

    def _spare(self, isr: list[tuple[int, int]], gray: Container[int], min_isr: int) -> None:
        """Take out gray followers, the last ones first, while so many are left."""
        for entry in reversed(isr.copy()):
            if len(isr) > min_isr and entry[0] in gray and entry[0] != self.leader_id:
                isr.remove(entry)

    def failed(self, *, is_certain: bool) -> None:
        """What was proposed is not committed. Unless that is certain, those who were to join stay counted."""
        self.is_changing = False
        self.is_uncertain = self.is_uncertain or not is_certain
        if self.is_uncertain:
            return
        for state in self._states.values():
            state.counted = state.broker_id in self.image.isr
