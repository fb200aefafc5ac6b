"""The composition root: one broker, made of its parts, started and stopped in the order that keeps its promises.

It is given everything that is not its own: the host (files, clock, randomness), the loop and the metadata store. So the
same class runs on uvloop over SQLite and on the simulated loop over the memory store.
"""

import asyncio
import logging
from collections.abc import Sequence

from odradek.broker.connections import Connections
from odradek.broker.fetch_sessions import FetchSessions
from odradek.broker.gray_watch import GrayWatch
from odradek.broker.listener import BoundListener, listen
from odradek.broker.load_report import LoadReport
from odradek.broker.peer_watch import PeerWatch
from odradek.broker.router import Router
from odradek.broker.topic_metadata import TopicMetadata
from odradek.cluster.cluster import Cluster
from odradek.cluster.history import WAY_OUT
from odradek.cluster.image import ImageDelta
from odradek.cluster.records import Endpoint
from odradek.config import BrokerConfig, Listener, TopicConfig
from odradek.config.listener import address_of
from odradek.groups.coordinator import GroupCoordinator
from odradek.host import Host
from odradek.log.cleaning.settings import CleanerSettings
from odradek.log.errors import DirectoryFailedError
from odradek.log.manager import LogManager
from odradek.log.settings import LogSettings
from odradek.metastore.store import MetadataStore, StoreRegressed
from odradek.replication.hearing import Hearing
from odradek.replication.isr_changes import IsrChanges
from odradek.replication.lending import Lending
from odradek.replication.replica_fetchers import ReplicaFetchers
from odradek.replication.replica_manager import ReplicaManager

logger = logging.getLogger(__name__)

STORAGE_KEYS = (
    "log.dirs",
    "log.retention.check.interval.ms",
    "log.flush.offset.checkpoint.interval.ms",
    "log.flush.start.offset.checkpoint.interval.ms",
    "replica.high.watermark.checkpoint.interval.ms",
    "num.recovery.threads.per.data.dir",
    "producer.id.expiration.ms",
    "producer.id.expiration.check.interval.ms",
    "odradek.disk.reserve.bytes",
    "odradek.open.files.max",
)
"""Configuration keys that `LogSettings` carries, under the same names with underscores."""


OTHER_DESCRIPTORS = 128
"""Of listeners, the metadata store, the loop itself, and files open for a moment beyond their limit."""


class Broker:
    """Handlers reach everything through it. Use: `await start()`, then `await stop()`; `failed` asks for a stop."""

    cluster: Cluster
    replicas: ReplicaManager
    isr_changes: IsrChanges
    fetchers: ReplicaFetchers
    lending: Lending
    hearing: Hearing
    groups: GroupCoordinator
    topic_metadata: TopicMetadata

    def __init__(
        self,
        host: Host,
        loop: asyncio.AbstractEventLoop,
        config: BrokerConfig,
        store: MetadataStore,
        *,
        cluster_name: str = "default",
    ) -> None:
        self.host = host
        self.loop = loop
        self.node_id: int = config.get("node.id")
        self.cluster_name = cluster_name
        self._start_config = config
        self._store = store
        self._is_started = False
        self.is_serving = False
        """Clients are served (what /readyz says)."""
        self.logs = LogManager(host, loop, log_settings(config), TopicConfig.of(config, {}))
        self.logs.on_failed = self._directory_failed
        self.recompression = asyncio.Lock()
        """Held while a batch is compressed anew: one at a time, as each may expand to many times its size."""
        self.fetch_sessions = FetchSessions(config.get("max.incremental.fetch.session.cache.slots"), host.random)
        self.router = Router(self)
        self.connections = Connections(
            loop,
            lambda: self.config,
            self.router.serve,
            host.clock.stopwatch_s,
            host.descriptors_max - self.logs.descriptors.most - OTHER_DESCRIPTORS,
        )
        self.listeners: list[BoundListener] = []
        self._load_report = LoadReport(self)
        self._tasks: list[asyncio.Task[None]] = []
        """What goes on while it serves."""

    @property
    def config(self) -> BrokerConfig:
        """The configuration that counts now: what it was started with under what was set since."""
        return self.cluster.config if self._is_started else self._start_config

    @property
    def failed(self) -> "asyncio.Future[BaseException]":
        """Done, with the reason, when the broker cannot go on and must be stopped."""
        return self.cluster.failed

    @property
    def advertised(self) -> list[Endpoint]:
        """What clients are told to connect to; port 0 has become the real one."""
        ports = {bound.name: bound.port for bound in self.listeners}
        return [
            Endpoint(each.name, each.host, each.port or ports[each.name])
            for each in self._start_config.advertised_listeners
        ]

    async def start(self) -> None:
        """Returns when clients are served. Raises OSError (address in use), LogError, StoreError, ClusterStartError.

        The sockets are bound first, so that a wrong address is found before anything is touched; they accept only once
        every partition is led and the coordinators follow.
        """
        self.listeners = await self._bind(self._start_config.listeners)
        endpoints = self.advertised
        self.logs.lock(address_of(endpoints[0].host, endpoints[0].port))
        self.cluster = self._make_cluster(endpoints)
        self.replicas = ReplicaManager(
            self.logs,
            self.node_id,
            lambda: self.cluster.broker_epoch,
            lambda: self.config,
            self.cluster.confirm_deleted,
            self.cluster.is_doubtful,
        )
        self.isr_changes = IsrChanges(self.loop, self.cluster, lambda: self.config, self.replicas.partitions)
        self.replicas.on_isr_wanted = self.isr_changes.look_at
        self.fetchers = ReplicaFetchers(
            self.logs, self.node_id, lambda: self.cluster.broker_epoch, lambda: self.config, lambda: self.cluster.image
        )
        self.replicas.on_following = self.fetchers.follow
        self.lending = Lending(self.node_id, lambda: self.config, self.logs.now)
        self.hearing = Hearing(self.logs.now)
        self._peers = PeerWatch(self.loop, self.cluster, lambda broker: self.fetchers.endpoint_of(broker.broker_id))
        self.topic_metadata = TopicMetadata(lambda: self.cluster.image)
        self.groups = GroupCoordinator(
            self.replicas, self.cluster, self._start_config, self.host.clock, self.loop, self.host.random
        )
        cluster_id = self.logs.cluster_id(self.node_id)
        await self.cluster.start(
            proof=self.logs.proof(),
            cluster_id=cluster_id,
            before_joining=self._before_joining,
            remembered=self.logs.remembered(),
            remember=self.logs.remember,
        )
        self._is_started = True
        await self.logs.load(self.cluster.image.cluster_id, self.node_id)
        self._require_newer_metadata()
        self.logs.start()
        self.cluster.subscribe(self._on_metadata)
        await self.replicas.settled()
        self.isr_changes.start()
        self.groups.start()
        self.connections.start()
        for bound in self.listeners:
            await bound.serve()
        self.is_serving = True
        self._peers.start()
        self._tasks = [
            self.loop.create_task(self._load_report.run(), name="load report"),
            self.loop.create_task(GrayWatch(self, self.hearing).run(), name="gray watch"),
        ]
        self.router.preload()

    async def stop(self) -> None:
        """Stop serving, tell whoever waits, make everything durable, leave the cluster."""
        self.is_serving = False
        if self._is_started:
            await self.cluster.hand_over()
        for bound in self.listeners:
            bound.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._is_started:
            await self._peers.stop()
            await self.groups.stop()
            await self.isr_changes.stop()
            await self.fetchers.stop()
            self.replicas.stop()
            self.connections.stop("the broker is shutting down")
            await self.logs.stop(self.cluster.broker_epoch)
            await self.cluster.stop()
        else:
            self.logs.abandon()
            await self._store.close()

    def _make_cluster(self, endpoints: Sequence[Endpoint]) -> Cluster:
        return Cluster(
            self._store,
            self.host,
            self.loop,
            self._start_config,
            self.node_id,
            endpoints,
            self._start_config.get("broker.rack"),
            self.cluster_name,
            directory_id=str(self.logs.directory_id),
        )

    def _before_joining(self, cluster_id: str) -> None:
        """The data directories know whose they are, and which process this is, before the cluster hears of it."""
        self.logs.identify(cluster_id, self.node_id)
        self.logs.begin_life(self.cluster.incarnation)

    def _require_newer_metadata(self) -> None:
        """Raises StoreRegressed when a log holds a leader epoch that the metadata has not given yet."""
        parts = self.cluster.image.parts
        for log in self.logs.logs.values():
            known = parts.get(log.topic_id, {}).get(log.partition)
            if known is not None and log.epochs.latest_epoch > known.leader_epoch:
                raise StoreRegressed(
                    f"the metadata was put back from an older backup: {log.topic}-{log.partition} has leader epoch "
                    f"{log.epochs.latest_epoch}, the metadata knows {known.leader_epoch}: {WAY_OUT}"
                )

    def _directory_failed(self, path: str) -> None:
        """One failed log directory takes its partitions offline; without any, there is nothing left to serve."""
        if not self._is_started or self.failed.done():
            return
        self.fetchers.directory_failed(path)
        if all(health.is_failed for health in self.logs.healths.values()):
            self.failed.set_result(DirectoryFailedError("every log directory is offline"))

    def _on_metadata(self, delta: ImageDelta) -> None:
        self.replicas.apply(delta)
        self.isr_changes.on_delta(delta)
        self._load_report.on_delta(delta)

    async def _bind(self, listeners: Sequence[Listener]) -> list[BoundListener]:
        backlog = self._start_config.get("socket.listen.backlog.size")
        return [await listen(self.connections, each, backlog) for each in listeners]


def log_settings(config: BrokerConfig) -> LogSettings:
    """The part of the configuration that the log manager is made with."""
    values = {key.replace(".", "_"): config.get(key) for key in STORAGE_KEYS}
    return LogSettings(cleaner=CleanerSettings.of(config.get), **values)
