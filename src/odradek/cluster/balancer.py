"""The controller's slow work: finishes reassignments, empties and fills brokers, gives preferred leaders their places.

What is under way is in the partitions' records; what is planned is only here and made anew whenever brokers change, by
the interval of the configuration, and when a plan is done. So a new controller goes on where the last one stopped.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from uuid import UUID

import msgspec
from kio.schema.errors import ErrorCode

from odradek.balancing.model import Move, Plan, Transfer
from odradek.balancing.planner import make_plan
from odradek.balancing.waves import next_wave
from odradek.cluster.balance_state import balance_state
from odradek.cluster.balance_steps import begun, flows, leaders, transferred
from odradek.cluster.chunks import for_each_chunk
from odradek.cluster.configs import Configs
from odradek.cluster.controller import Controller
from odradek.cluster.duties import Duties, PartitionChange
from odradek.cluster.elections import to_record
from odradek.cluster.image import ClusterImage, ImageDelta
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.offsets_topic import missing_configs, wanted_copies
from odradek.cluster.reassignments import finished
from odradek.cluster.results import MetadataUnavailable
from odradek.cluster.writer import Writer, unchanged
from odradek.config import BrokerConfig
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.metastore.store import Compare, LeaseLost, NotApplied, Put, Revision, Target

log = logging.getLogger(__name__)

SETTLE_S = 1.0
"""After brokers have changed nothing is planned for so long: more changes may follow."""
RETRY_S = 1.0
FAILED_S = 60.0
PLANNED_MAX = 256
"""Moves planned ahead."""
TRANSFERS_MAX = 1000
"""Leaderships moved before the next look."""


class Balancer:
    """`leads`: whether this broker is the controller. `run` is a task of every broker; only the controller's works."""

    def __init__(
        self,
        feed: ImageFeed,
        keys: Keys,
        writer: Writer,
        controller: Controller,
        configs: Configs,
        config: Callable[[], BrokerConfig],
        leads: Callable[[], bool],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._feed, self._keys, self._writer, self._controller = feed, keys, writer, controller
        self._configs, self._config, self._leads, self._loop = configs, config, leads, loop
        self._reason = asyncio.Event()
        self._is_stale, self._has_moved = True, False
        self._planned: list[Move] = []
        self._due = 0.0

    @property
    def planned_moves(self) -> int:
        """Moves that wait for others to be done; 0 on every broker but the controller."""
        return len(self._planned)

    def on_delta(self, delta: ImageDelta) -> None:
        """Brokers, their configuration and the controller's seat ask for a new plan; moves under way for a step."""
        if delta.brokers or delta.controller_changed or any(kind == "broker" for kind, _ in delta.configs):
            self._is_stale = True
            self._reason.set()
        elif delta.reassignments_changed or any(topic.name == OFFSETS_TOPIC for topic in delta.topics_created):
            self._reason.set()

    async def run(self) -> None:
        while True:
            await self._wait()
            self._reason.clear()
            if not self._leads():
                self._is_stale, self._has_moved, self._planned = True, False, []
                continue
            try:
                await self._step()
            except (MetadataUnavailable, NotApplied, LeaseLost) as error:
                log.warning("Balancing is put off: %s", error)
                await asyncio.sleep(RETRY_S)
                self._reason.set()
            except Exception:  # A mistake in here must not end the broker: what is under way stays as it is.
                log.exception("Balancing failed and begins anew at the next reason")
                self._is_stale, self._planned = True, []
                self._due = self._loop.time() + FAILED_S

    async def _wait(self) -> None:
        """For a reason, or on the controller for the time of the next look."""
        try:
            async with asyncio.timeout_at(self._due if self._leads() else None):
                await self._reason.wait()
        except TimeoutError:
            self._is_stale = True

    async def _step(self) -> None:
        await self._finish()
        await self._complete_offsets_topic()
        if self._has_moved and not self._planned and not self._feed.image.reassigning:
            self._is_stale = True
        if self._is_stale:
            await self._plan()
        await self._begin()

    # --- finishing ---

    async def _finish(self) -> None:
        """Every reassignment whose target is in sync, a transaction for each."""
        image = self._feed.image

        async def commit(chunk: Sequence[tuple[UUID, int]]) -> Revision | None:
            return await self._finish_one(image, *chunk[0])

        revisions = await for_each_chunk(list(image.reassigning), 1, commit)
        await self._feed.reach(max((each for each in revisions if each is not None), default=0))

    async def _finish_one(self, image: ClusterImage, topic_id: UUID, index: int) -> Revision | None:
        """The brokers that stay must be as they were: one that came back without its data would be all there is."""
        topic = image.topics_by_id.get(topic_id)
        partition = None if topic is None else topic.partitions[index]
        record = None if partition is None else finished(to_record(partition), image.brokers)
        if topic is None or partition is None or record is None:
            return None
        key = self._keys.partition(topic_id, index)
        when = [self._seat(image), unchanged(key, partition.mod_revision)]
        when += [unchanged(self._keys.broker(each), image.brokers[each].mod_revision) for each in record.replicas]
        log.info("%s-%d has its replicas: %s", topic.name, index, list(record.replicas))
        put = Put(key, msgspec.structs.replace(record, op_id=self._writer.new_op_id()).encode())
        return await self._writer.commit(when, [put])

    async def _complete_offsets_topic(self) -> None:
        """Its copies have been made: from now on it may count on them."""
        missing = missing_configs(self._feed.image, self._config())
        if missing:
            log.info("%s: %s", OFFSETS_TOPIC, ", ".join(f"{each.key}={each.value}" for each in missing))
            result = await self._configs.alter("topic", OFFSETS_TOPIC, missing, False)
            if result.error is not ErrorCode.none:
                log.warning("%s could not be configured: %s", OFFSETS_TOPIC, result.message or result.error.name)

    def _seat(self, image: ClusterImage) -> Compare:
        return Compare(self._keys.controller, Target.CREATE, image.controller_revision)

    # --- planning ---

    async def _plan(self) -> None:
        """In the executor: with many partitions it takes longer than the loop may wait."""
        if not self._is_due():
            await asyncio.sleep(SETTLE_S)
        self._is_stale = self._has_moved = False
        config = self._config()
        self._due = self._loop.time() + config.get("leader.imbalance.check.interval.seconds")
        if len(self._feed.image.brokers) < 2:
            self._planned = []
            return
        make = partial(
            plan_for,
            self._feed.image,
            percentage=config.get("leader.imbalance.per.broker.percentage"),
            restores_leaders=config.get("auto.leader.rebalance.enable"),
            copies=wanted_copies(config),
        )
        plan = await self._loop.run_in_executor(None, make)
        self._planned = list(plan.moves)
        await self._transfer(plan.transfers)

    def _is_due(self) -> bool:
        return self._loop.time() >= self._due

    async def _transfer(self, transfers: Sequence[Transfer]) -> None:
        image = self._feed.image
        changes = [change for each in transfers[:TRANSFERS_MAX] if (change := transferred(image, each)) is not None]
        if changes:
            log.info("%d leaderships move: %s", len(changes), _told(transfers[0]))
        await self._write(changes)
        if len(transfers) > TRANSFERS_MAX:
            self._is_stale = True
            self._reason.set()

    # --- beginning ---

    async def _begin(self) -> None:
        """As many of the planned moves as may go on beside those under way; what no longer fits is dropped."""
        config, image = self._config(), self._feed.image
        if config.get("odradek.balancing.paused") or not self._planned:
            return
        steps = {move: change for move in self._planned if (change := begun(image, move)) is not None}
        per_broker = config.get("odradek.balancing.moves.per.broker")
        wave = next_wave(steps, flows(image), leaders(image, steps), per_broker)
        self._planned = [move for move in steps if move not in wave]
        if not wave:
            return
        first = wave[0]
        log.info(
            "%d partitions get other replicas: %s-%d first, as %s", len(wave), first.topic, first.index, first.reason
        )
        await self._write([steps[move] for move in wave])
        self._has_moved = True
        self._reason.set()

    async def _write(self, changes: list[PartitionChange]) -> None:
        """What loses a race is planned again."""
        if changes:
            await self._feed.reach(await self._controller.carry_out(Duties(partitions=changes), self._feed.image))


def plan_for(image: ClusterImage, *, percentage: int, restores_leaders: bool, copies: Mapping[str, int]) -> Plan:
    """The next moves and all transfers for this image."""
    state = balance_state(image, copies)
    return make_plan(state, percentage=percentage, restores_leaders=restores_leaders, moves_max=PLANNED_MAX)


def _told(transfer: Transfer) -> str:
    source, target = transfer.source, transfer.target
    return f"{transfer.topic}-{transfer.index} from broker {source} to {target} first, as {transfer.reason}"
