"""What a broker shows at /metrics: numbers it keeps anyway, read when they are asked for.

Names begin with `odradek_`; per-topic numbers are summed over the partitions this broker leads, so that the page grows
with topics, not with partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from odradek import __version__
from odradek.cluster.health import HealthOf, PartitionHealth
from odradek.observe.metrics import Registry, Sample
from odradek.observe.process import register_process_metrics
from odradek.replication.partition import Partition
from odradek.wire.apis import BY_KEY

if TYPE_CHECKING:
    from odradek.broker.broker import Broker


def registry_of(broker: Broker) -> Registry:
    """Every metric of one started broker."""
    registry = Registry()
    image = broker.cluster.image
    identity = {"version": __version__, "cluster_id": image.cluster_id, "node_id": str(broker.node_id)}
    registry.info("odradek_info", "This broker.", identity)
    _register_requests(registry, broker)
    _register_protection(registry, broker)
    _register_topics(registry, broker)
    _register_replication(registry, broker)
    _register_cluster(registry, broker)
    _register_storage(registry, broker)
    _register_cleaner(registry, broker)
    register_process_metrics(registry, broker.host.clock.time_ms() / 1000)
    return registry


def _register_requests(registry: Registry, broker: Broker) -> None:
    registry.read_gauge("odradek_connections", "Open client connections.", lambda: len(broker.connections))
    registry.read_gauge(
        "odradek_fetch_sessions", "Incremental fetch sessions kept.", lambda: len(broker.fetch_sessions)
    )
    registry.read_counters(
        "odradek_requests_total",
        "Requests taken, by API.",
        ("api",),
        lambda: [((BY_KEY[key].name,), number) for key, number in broker.router.requests.items() if number],
    )


def _register_protection(registry: Registry, broker: Broker) -> None:
    connections = broker.connections
    registry.read_counters(
        "odradek_connections_refused_total",
        "Connections closed at once, by the limit they exceeded: of their address, or of the broker.",
        ("limit",),
        lambda: [((name,), number) for name, number in connections.admission.refused.items()],
    )
    registry.read_counter(
        "odradek_connections_cut_off_total",
        "Connections closed because others waited for the memory they held without getting on.",
        lambda: connections.cut_off,
    )
    registry.read_gauge(
        "odradek_received_bytes", "Bytes of requests not yet answered.", lambda: connections.received.bytes
    )
    registry.read_gauge(
        "odradek_unsent_bytes", "Bytes of responses that clients have not taken.", lambda: connections.unsent.bytes
    )
    registry.read_gauges(
        "odradek_connections_waiting",
        "Connections that wait: for received bytes, for unsent bytes, or for their turn.",
        ("what",),
        lambda: [
            (("received",), connections.received.waiting),
            (("unsent",), connections.unsent.waiting),
            (("turn",), len(connections.turns)),
        ],
    )


def _register_topics(registry: Registry, broker: Broker) -> None:
    def summed(number_of: Callable[[Partition], int]) -> Callable[[], Iterable[Sample]]:
        def read() -> Iterable[Sample]:
            totals: dict[str, int] = {}
            for partition in broker.replicas.partitions():
                totals[partition.topic] = totals.get(partition.topic, 0) + number_of(partition)
            return [((topic,), total) for topic, total in totals.items()]

        return read

    registry.read_gauge("odradek_partitions", "Replicas on this broker.", lambda: len(broker.replicas.partitions()))
    registry.read_counters(
        "odradek_topic_offsets_total",
        "Log end offsets summed over a topic's partitions: its rate is records appended per second.",
        ("topic",),
        summed(lambda partition: partition.log.log_end_offset),
    )
    registry.read_gauges(
        "odradek_topic_log_bytes", "Bytes in a topic's logs.", ("topic",), summed(lambda each: each.log.size_bytes)
    )


def _register_replication(registry: Registry, broker: Broker) -> None:
    fetchers = broker.fetchers
    registry.read_counter(
        "odradek_replication_received_bytes_total",
        "Bytes of records received from leaders and appended.",
        lambda: fetchers.bytes_in,
    )
    registry.read_gauge(
        "odradek_followed_partitions", "Partitions another broker leads.", lambda: len(fetchers.followed())
    )
    registry.read_gauge(
        "odradek_replica_lag_max",
        "Most committed records that any followed partition misses, as far as its leader has said.",
        lambda: fetchers.lag_max,
    )
    registry.read_counters(
        "odradek_isr_changes_total",
        "Times that replicas left or joined the in-sync replicas of a partition this broker leads.",
        ("change",),
        lambda: [(("shrink",), broker.isr_changes.shrinks), (("expand",), broker.isr_changes.expansions)],
    )
    registry.read_gauges(
        "odradek_unfollowed_partitions",
        "Followed partitions left out: failed until their leader changes, waiting after an error, or throttled.",
        ("why",),
        lambda: [(("failed",), fetchers.failed), (("error",), fetchers.waiting), (("throttled",), fetchers.throttled)],
    )


def _register_cluster(registry: Registry, broker: Broker) -> None:
    """What every broker knows of the whole cluster, but for the controller's own plans."""
    cluster = broker.cluster
    registry.read_gauge("odradek_controller", "1 on the controller.", lambda: float(cluster.is_controller))
    registry.read_gauges(
        "odradek_brokers",
        "Registered brokers, by state.",
        ("state",),
        lambda: [
            (("up",), float(sum(not each.fenced for each in cluster.image.brokers.values()))),
            (("down",), float(sum(each.fenced for each in cluster.image.brokers.values()))),
            (("gray",), float(sum(bool(each.gray) for each in cluster.image.active_brokers()))),
            (("draining",), float(len(cluster.image.draining_brokers() & cluster.image.brokers.keys()))),
        ],
    )
    registry.read_gauges(
        "odradek_broker_disk_bytes",
        "Room on the volumes of each broker's log directories, as it said last; nothing while a broker is alone.",
        ("broker", "room"),
        lambda: [
            ((str(broker_id), room), float(number))
            for broker_id, load in cluster.image.loads.items()
            for room, number in (("total", load.disk_total_bytes), ("free", load.disk_free_bytes))
        ],
    )
    _register_partition_health(registry, broker)
    registry.read_counters(
        "odradek_leader_elections_total",
        "Leaders that this broker elected as the controller, by where they were found: recovery and unclean may have "
        "lost records, none means that nobody was found.",
        ("found",),
        lambda: [((kind,), number) for kind, number in cluster.elections.items()],
    )
    registry.read_gauge(
        "odradek_reassigning_partitions", "Partitions on the move.", lambda: len(cluster.image.reassigning)
    )
    registry.read_gauge(
        "odradek_planned_moves",
        "Partitions that the controller will move when others have arrived.",
        lambda: cluster.planned_moves,
    )


def _register_partition_health(registry: Registry, broker: Broker) -> None:
    """The same on every broker: an alert takes the maximum, not the sum."""
    health_of = HealthOf()

    def gauge(name: str, text: str, number_of: Callable[[PartitionHealth], int]) -> None:
        registry.read_gauge(name, text, lambda: number_of(health_of(broker.cluster.image)))

    gauge("odradek_cluster_partitions", "Partitions of all topics in the cluster.", lambda each: each.partitions)
    gauge("odradek_offline_partitions", "Partitions of the cluster without a leader.", lambda each: each.offline)
    gauge(
        "odradek_under_replicated_partitions",
        "Partitions of the cluster with fewer replicas in sync than they have.",
        lambda each: each.under_replicated,
    )
    gauge(
        "odradek_under_min_isr_partitions",
        "Partitions of the cluster with fewer replicas in sync than min.insync.replicas: acks=all is refused.",
        lambda each: each.under_min_isr,
    )
    gauge(
        "odradek_at_min_isr_partitions",
        "Partitions of the cluster with just as many replicas in sync as min.insync.replicas.",
        lambda each: each.at_min_isr,
    )
    gauge(
        "odradek_preferred_replica_imbalance",
        "Partitions of the cluster that are not led by their preferred leader.",
        lambda each: each.led_elsewhere,
    )


def _register_storage(registry: Registry, broker: Broker) -> None:
    healths = broker.logs.healths
    registry.read_gauges(
        "odradek_log_directory_up",
        "1 while appends to the directory are taken, 0 while it is full or offline.",
        ("directory",),
        lambda: [((path,), float(health.refusal is None)) for path, health in healths.items()],
    )
    registry.read_gauges(
        "odradek_log_directory_threaded",
        "1 while writes to the directory go through threads because the disk makes them wait.",
        ("directory",),
        lambda: [((path,), float(health.threaded)) for path, health in healths.items()],
    )
    registry.read_gauge(
        "odradek_unflushed_logs", "Logs with bytes that are not on stable storage.", lambda: len(broker.logs.dirty)
    )
    registry.read_gauge(
        "odradek_damaged_partitions", "Partitions whose files are damaged.", lambda: len(broker.logs.damaged)
    )


def _register_cleaner(registry: Registry, broker: Broker) -> None:
    cleaner = broker.logs.cleaner
    done = cleaner.statistics
    registry.read_gauge(
        "odradek_log_cleaner_max_dirty_percent",
        "Share of the dirtiest compacted log that is not compacted, when it was last looked at.",
        lambda: 100 * done.max_dirty_ratio,
    )
    registry.read_gauge(
        "odradek_log_cleaner_max_compaction_delay_seconds",
        "By how much a record has been waiting longer than max.compaction.lag.ms.",
        lambda: done.max_delay_ms / 1000,
    )
    registry.read_gauge(
        "odradek_log_cleaner_uncleanable_partitions",
        "Partitions whose compaction failed and that are left alone until the next start.",
        lambda: len(cleaner.uncleanable),
    )
    registry.read_gauge(
        "odradek_log_cleaner_seconds_since_last_run",
        "Since the compacted logs were last looked at.",
        lambda: broker.loop.time() - done.last_looked,
    )
    registry.read_gauge(
        "odradek_log_cleaner_last_cleaning_seconds", "What the last compaction took.", lambda: done.last_s
    )
    registry.read_gauge(
        "odradek_log_cleaner_buffer_utilization_ratio",
        "Share of the memory for keys that the last compaction used.",
        lambda: done.last_map_utilization,
    )
    registry.read_counter("odradek_log_cleaner_cleanings_total", "Compactions done.", lambda: done.cleanings)
    registry.read_counter("odradek_log_cleaner_read_bytes_total", "Bytes compacted.", lambda: done.bytes_read)
    registry.read_counter("odradek_log_cleaner_written_bytes_total", "Bytes left of them.", lambda: done.bytes_written)
