"""A broker's view of the cluster and its hands in it: the facade over the image and everything that changes it."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from uuid import UUID

from odradek.cluster.balancer import Balancer
from odradek.cluster.configs import Configs
from odradek.cluster.controller import Controller
from odradek.cluster.duties import Duties, Rules, abandoned_intents, decide_duties
from odradek.cluster.fencing import Silence
from odradek.cluster.history import epoch_floor, objection, read_chain
from odradek.cluster.ids import random_uuid, uuid_text
from odradek.cluster.image import ClusterImage, ImageDelta, TopicImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.in_sync import IsrChange, IsrWriter, Outcome
from odradek.cluster.keys import Keys
from odradek.cluster.leader_elections import LeaderElections
from odradek.cluster.lease_clock import LeaseClock
from odradek.cluster.membership import Identity, Membership
from odradek.cluster.producer_ids import ProducerIds
from odradek.cluster.reassigning import Reassigning
from odradek.cluster.reassignments import Reassignment
from odradek.cluster.records import Endpoint, LoadRecord, MetaRecord, decode
from odradek.cluster.restoring import raise_counters
from odradek.cluster.results import (
    ClusterStartError,
    ConfigChange,
    ConfigResult,
    DeleteResult,
    ElectionResult,
    ElectionType,
    MetadataUnavailable,
    NewPartitions,
    NewTopic,
    PartitionsResult,
    ReassignmentResult,
    TopicResult,
    UnregisterResult,
)
from odradek.cluster.suspicion import Suspicions, is_suspected
from odradek.cluster.topic_writes import TopicWrites
from odradek.cluster.topics import Topics
from odradek.cluster.unregistering import Unregistering
from odradek.cluster.writer import Writer, absent
from odradek.config import BrokerConfig, ConfigError, TopicConfig
from odradek.host import Host
from odradek.log.life import NO_PROOF, Proof
from odradek.log.remembered import NOTHING_REMEMBERED, Remembered
from odradek.metastore.store import LeaseLost, MetadataStore, NotApplied, Put, StoreInfo, StoreRegressed

log = logging.getLogger(__name__)

METADATA_FORMAT = 1
START_TIMEOUT_S = 60.0
RETRY_S = 0.5
REMEMBER_S = 1.0
HAND_OVER_S = 10.0


class Cluster:
    """One per broker. `image` is the latest metadata; `config` the broker's configuration with what was set since.

    `failed` is done (with the reason) when the metadata can no longer be trusted: the broker must then stop serving.
    """

    def __init__(
        self,
        store: MetadataStore,
        host: Host,
        loop: asyncio.AbstractEventLoop,
        config: BrokerConfig,
        node_id: int,
        endpoints: Sequence[Endpoint],
        rack: str | None = None,
        cluster_name: str = "default",
        *,
        directory_id: str = "",
    ) -> None:
        self.node_id, self._store, self._loop = node_id, store, loop
        self._start_config = self.config = config
        self._cluster_name = cluster_name
        self._keys = Keys(cluster_name)
        self._random = host.random
        self._attention, self._new_token = asyncio.Event(), asyncio.Event()
        self._feed = ImageFeed(store, self._keys)
        self._writer = Writer(store, host.random)
        self.incarnation = uuid_text(random_uuid(host.random))
        """Names this process."""
        identity = Identity(node_id, self.incarnation, tuple(endpoints), rack, directory_id)
        ttl_s = config.get("broker.session.timeout.ms") / 1000
        self._silence, self._suspicions = Silence(ttl_s), Suspicions(ttl_s)
        self._clock = host.clock
        self._lease_clock = LeaseClock()
        self._membership = Membership(store, self._keys, self._writer, identity, ttl_s)
        writes = TopicWrites(self._keys, self._writer)
        self._controller = Controller(self._keys, self._writer, writes)
        self._topics = Topics(
            self._feed, self._keys, self._writer, writes, lambda: self.config, self._owner, host.random, self._attend
        )
        self._configs = Configs(self._feed, self._keys, self._writer, lambda: self.config)
        self._elections = LeaderElections(self._feed, self._keys, self._writer)
        self._reassigning = Reassigning(self._feed, self._keys, self._writer, self._unclean_allowed)
        self._unregistering = Unregistering(self._feed, self._keys, self._writer)
        self._balancer = Balancer(
            self._feed,
            self._keys,
            self._writer,
            self._controller,
            self._configs,
            lambda: self.config,
            lambda: self.is_controller,
            loop,
        )
        self._producer_ids = ProducerIds(self._keys, self._writer)
        self._isr = IsrWriter(self._feed, self._keys, self._writer, node_id)
        self._rules = Rules(self._min_isr, self._unclean_allowed)
        self._tasks: list[asyncio.Task[None]] = []
        self.failed: asyncio.Future[BaseException] = loop.create_future()
        self._feed.subscribe(self._on_delta)

    # --- what others read ---

    @property
    def image(self) -> ClusterImage:
        return self._feed.image

    @property
    def broker_epoch(self) -> int:
        """Of the present registration; leadership counts only in this epoch.

        The image may show it, and what was elected since, before the store's answer to the registration is here.
        """
        own = self.image.brokers.get(self.node_id)
        shown = own.epoch if own is not None and own.incarnation == self.incarnation else -1
        return max(shown, self._membership.epoch)

    @property
    def is_controller(self) -> bool:
        return self.image.controller_id == self.node_id

    def is_doubtful(self) -> bool:
        """Whether other brokers may have taken over what this one leads, for all it knows."""
        return self._lease_clock.is_doubtful(self._clock.uptime_s())

    @property
    def planned_moves(self) -> int:
        """Moves of replicas that this broker, as the controller, has planned and not begun."""
        return self._balancer.planned_moves

    @property
    def elections(self) -> Mapping[str, int]:
        """Leaders that this broker elected as the controller since its start, by where they were found."""
        return self._controller.elections

    def leads(self, topic: TopicImage, index: int) -> bool:
        """Whether this broker, as it is registered now, leads the partition."""
        return topic.partitions[index].is_led_by(self.node_id, self.broker_epoch)

    def subscribe(self, callback: Callable[[ImageDelta], None]) -> None:
        """Called on the loop for every revision; at once with everything (from an empty image) if already started."""
        self._feed.subscribe(callback)

    def unsubscribe(self, callback: Callable[[ImageDelta], None]) -> None:
        self._feed.unsubscribe(callback)

    def _owner(self) -> tuple[int, int]:
        return self.node_id, self.broker_epoch

    # --- life cycle ---

    async def start(
        self,
        *,
        proof: Proof = NO_PROOF,
        cluster_id: str | None = None,
        before_joining: Callable[[str], None] = lambda cluster_id: None,
        remembered: Remembered = NOTHING_REMEMBERED,
        remember: Callable[[Remembered], None] = lambda remembered: None,
    ) -> None:
        """Returns when this broker is unfenced and has taken the leadership of its partitions, in new leader epochs.

        `proof`: since when this data directory is proven to have lost nothing. `cluster_id`: the cluster to which it
        belongs, None when it is new; nothing is written to the metadata of any other. `before_joining` is called with
        the cluster's id: a data directory that does not know yet whose it is must, before the cluster hears of it, or a
        process that dies here would leave a registration that no later one can prove to be its own. `remembered`: what
        it knows of the store's history; `remember` is called with what it should know from then on.
        Raises ClusterStartError, StoreError, what `before_joining` raises.
        """
        info = await self._store.open()
        self._writer.max_operations = info.max_operations
        try:
            found_id = await self._make_cluster(cluster_id)
            await self._check_history(info, remembered)
            await self._membership.require_free()
            before_joining(found_id)
            await raise_counters(self._store, self._keys, self._writer, info)
            await self._feed.load()
            self._spawn(self._feed.run())
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._join(proof)
        except BaseException as error:
            await self._end_tasks()
            if isinstance(error, TimeoutError):
                message = f"broker {self.node_id} was not admitted in {START_TIMEOUT_S:.0f} s"
                raise ClusterStartError(message) from None
            if isinstance(error, MetadataUnavailable):
                raise ClusterStartError(str(error)) from error
            raise
        self._spawn(self._keep_alive())
        self._spawn(self._remember_for_ever(remember))
        self._spawn(self._govern())
        self._spawn(self._balancer.run())

    async def _end_tasks(self) -> None:
        for task in reversed(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _make_cluster(self, expected_id: str | None) -> str:
        """The first broker names the cluster; its id."""
        while True:
            found, _ = await self._writer.get(self._keys.meta)
            if found is not None:
                record = decode(MetaRecord, found.value)
                if record.format > METADATA_FORMAT:
                    raise ClusterStartError(
                        f"the cluster's metadata has format {record.format}, this version reads up to {METADATA_FORMAT}"
                    )
                if expected_id not in (None, record.cluster_id):
                    raise ClusterStartError(
                        f"the data belongs to cluster {expected_id}, the metadata to cluster {record.cluster_id}"
                    )
                return record.cluster_id
            if expected_id is not None:
                raise ClusterStartError(
                    f"the data belongs to cluster {expected_id}, but its metadata is gone: restore it from a backup, "
                    f"or start with the --cluster it was made with, if that is not {self._cluster_name}"
                )
            record = MetaRecord(uuid_text(random_uuid(self._random)), METADATA_FORMAT)
            await self._writer.commit([absent(self._keys.meta)], [Put(self._keys.meta, record.encode())])

    async def _check_history(self, info: StoreInfo, remembered: Remembered) -> None:
        """Raises StoreRegressed when the store was put back from a backup."""
        chain = await read_chain(self._store, self._keys)
        is_accepted = remembered.revision <= info.restored
        known = NOTHING_REMEMBERED if is_accepted and info.restored else remembered
        problem = objection(chain, known, info.seen, info.revision, self.node_id)
        if problem is not None:
            raise StoreRegressed(f"the metadata was put back from an older backup: {problem}")
        self._membership.epoch_floor = epoch_floor(chain)

    async def _remember_for_ever(self, remember: Callable[[Remembered], None]) -> None:
        """What the data should know of the store's history: a new token at once, else how far it goes now and then."""
        known = NOTHING_REMEMBERED
        while True:
            now = Remembered(self.image.history_token, self.image.revision, self.broker_epoch)
            if now.token and now != known:
                remember(now)
                known = now
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REMEMBER_S):
                    await self._new_token.wait()
            self._new_token.clear()

    async def _join(self, proof: Proof) -> None:
        await self._feed.reach(await self._membership.register(proof))
        while not self._is_admitted():
            await self._govern_once()
            if not self._is_admitted():
                self._attention.clear()
                await self._attention.wait()
            if self.failed.done():
                raise self.failed.result()

    def _is_admitted(self) -> bool:
        broker = self.image.brokers.get(self.node_id)
        return broker is not None and broker.epoch == self.broker_epoch and not broker.fenced

    async def hand_over(self) -> None:
        """Before a stop in good order: have others lead what they can, while this broker still serves.

        Returns when this broker leads nothing any more, at once when there is no other, and in HAND_OVER_S at the most.
        """
        if self.failed.done() or len(self.image.active_brokers()) < 2:
            return
        moved = asyncio.Event()
        self.subscribe(look := lambda delta: moved.set())
        try:
            async with asyncio.timeout(HAND_OVER_S):
                await self._membership.announce_leaving()
                while self._leads_any():
                    moved.clear()
                    await moved.wait()
        except (TimeoutError, MetadataUnavailable, NotApplied):
            log.warning("Not everything could be handed over within %g s", HAND_OVER_S)
        finally:
            self.unsubscribe(look)

    def _leads_any(self) -> bool:
        owner = self._owner()
        return any(
            partition.is_led_by(*owner) for topic in self.image.topics.values() for partition in topic.partitions
        )

    async def stop(self) -> None:
        """Leave at once, without others having to wait for the lease, and close the store."""
        await self._end_tasks()
        if self.broker_epoch >= 0 and not self.failed.done():
            try:
                await self._membership.resign()
            except NotApplied as error:
                log.warning("Could not end the lease: %s", error)
        await self._store.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        task.add_done_callback(self._on_task_end)
        self._tasks.append(task)

    def _on_task_end(self, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            log.critical("The metadata can no longer be trusted: %s", error, exc_info=error)
            self.failed.set_result(error)
            self._attention.set()

    # --- background work ---

    async def _keep_alive(self) -> None:
        """Renew the lease; when it was lost (the machine slept), register again, having lost nothing."""
        while True:
            try:
                await self._membership.keep_alive(self._lease_clock, self._clock.uptime_s)
            except LeaseLost:
                log.warning("The lease of broker %d was lost: registering again", self.node_id)
                await self._register_again()
            except NotApplied as error:
                log.warning("The lease cannot be renewed: %s", error)
                await asyncio.sleep(RETRY_S)

    async def _register_again(self) -> None:
        try:
            await self._membership.register(Proof(self.broker_epoch, self.incarnation))
        except (MetadataUnavailable, NotApplied) as error:
            log.warning("Cannot register: %s", error)
            await asyncio.sleep(RETRY_S)
        self._attention.set()

    async def _govern(self) -> None:
        """The controller's work, whenever the image gives reason for it; on other brokers, wait for the free seat."""
        while True:
            await self._attention.wait()
            self._attention.clear()
            try:
                await self._govern_once()
            except (MetadataUnavailable, NotApplied, LeaseLost) as error:
                log.warning("The controller's work is put off: %s", error)
                await asyncio.sleep(RETRY_S)
                self._attention.set()

    async def _govern_once(self) -> None:
        if self.image.controller_id != self.node_id and is_suspected(self.image, self.image.controller_id):
            await self._membership.depose(self.image)
            await self._membership.campaign()
        if self.image.controller_id == -1:
            await self._membership.campaign()
            _, revision = await self._writer.get(self._keys.controller)
            await self._feed.reach(revision)
        for topic_id, intent in abandoned_intents(self.image, *self._owner(), self._topics.in_progress):
            await self._controller.settle_intent(topic_id, intent, self.image)
        while self.is_controller and (duties := self._duties()):
            written = await self._controller.carry_out(duties, self.image)
            _, revision = await self._writer.get(self._keys.controller)
            await self._feed.reach(max(written, revision))

    def _duties(self) -> Duties:
        dead = self._suspicions.believed(self.image, self._loop.time())
        return decide_duties(self.image, self._rules, self._spared(), dead)

    def _spared(self) -> frozenset[int]:
        """Brokers whose silence is not believed yet; they are looked at again when it is."""
        now_s = self._loop.time()
        spared = self._silence.spared(self.image, now_s)
        if spared and (wait_s := self._silence.wait_s(now_s)) is not None:
            log.warning("Brokers %s vanished together: waiting whether they come back", sorted(spared))
            self._loop.call_later(wait_s, self._attend)
        return spared

    def _attend(self) -> None:
        self._attention.set()

    def _on_delta(self, delta: ImageDelta) -> None:
        if delta.duties_changed:
            self._attention.set()
        if delta.after.history_token != delta.before.history_token:
            self._new_token.set()
        self._balancer.on_delta(delta)
        if any(key in (("broker", ""), ("broker", str(self.node_id))) for key in delta.configs):
            self._take_config(delta.after)

    def _take_config(self, image: ClusterImage) -> None:
        own, common = image.config("broker", str(self.node_id)), image.config("broker", "")
        try:
            self.config = self._start_config.with_dynamic(own, common)
        except ConfigError as error:
            log.error("The stored broker configuration is not usable, the one before stays: %s", error)

    def _min_isr(self, topic: TopicImage) -> int:
        return TopicConfig.of(self.config, topic.configs).min_insync_replicas

    def _unclean_allowed(self, topic: TopicImage) -> bool:
        return TopicConfig.of(self.config, topic.configs).unclean_leader_election_enable

    # --- changes ---

    async def create_topics(self, topics: Sequence[NewTopic], *, validate_only: bool = False) -> list[TopicResult]:
        """One result per topic, in order; answered once this broker's image has the new topics."""
        return await self._topics.create(topics, validate_only)

    async def delete_topics(self, names_or_ids: Sequence[str | UUID]) -> list[DeleteResult]:
        """One result per name or id, in order."""
        return await self._topics.delete(names_or_ids)

    async def create_partitions(
        self, growths: Sequence[NewPartitions], *, validate_only: bool = False
    ) -> list[PartitionsResult]:
        """One result per topic, in order."""
        return await self._topics.grow(growths, validate_only)

    async def alter_configs(
        self, resource_type: str, name: str, changes: Sequence[ConfigChange], *, validate_only: bool = False
    ) -> ConfigResult:
        """`resource_type`: "topic", "broker" (name "" is the default of the whole cluster) or "group"."""
        return await self._configs.alter(resource_type, name, changes, validate_only)

    async def replace_configs(
        self, resource_type: str, name: str, values: Mapping[str, str | None], *, validate_only: bool = False
    ) -> ConfigResult:
        """As AlterConfigs: exactly these overrides remain."""
        return await self._configs.replace(resource_type, name, values, validate_only)

    async def elect_leaders(
        self, election: ElectionType, partitions: Sequence[tuple[str, int]] | None
    ) -> list[ElectionResult]:
        """None: all partitions; then those that need no election have no result."""
        return await self._elections.elect(election, partitions)

    async def change_isr(self, changes: Sequence[IsrChange]) -> list[Outcome]:
        """What this broker, as the leader of these partitions, wants their in-sync replicas to be; in order."""
        return await self._isr.write(changes, self.broker_epoch)

    async def alter_reassignments(self, wanted: Sequence[Reassignment]) -> list[ReassignmentResult]:
        """One result per partition, in order; answered once this broker's image has what was begun or cancelled."""
        return await self._reassigning.alter(wanted)

    async def unregister_broker(self, broker_id: int) -> UnregisterResult:
        """Take a broker out of the cluster for good."""
        return await self._unregistering.unregister(broker_id)

    async def suspect(self, broker_id: int, epoch: int) -> None:
        """Tell the others that this broker's process was found dead. Raises MetadataUnavailable, LeaseLost."""
        await self._membership.suspect(broker_id, epoch)

    async def acquit(self, broker_id: int) -> None:
        """It lives after all. Raises MetadataUnavailable."""
        await self._membership.acquit(broker_id)

    async def declare_gray(self, reason: str) -> None:
        """Why others should lead what this broker does; empty when that is over. Raises MetadataUnavailable."""
        await self._membership.declare_gray(reason)

    async def report_load(self, load: LoadRecord) -> None:
        """Tell the controller what this broker holds. Raises MetadataUnavailable, LeaseLost."""
        await self._membership.report_load(load)

    async def allocate_producer_id(self) -> int:
        """Never given before. Raises MetadataUnavailable."""
        return await self._producer_ids.allocate()

    async def confirm_deleted(self, topic_id: UUID) -> None:
        """This broker has no file of the deleted topic any more. Raises MetadataUnavailable."""
        await self._topics.confirm_deleted(topic_id)
