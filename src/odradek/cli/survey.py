"""What `odradek cluster` knows of a cluster: asked of its brokers, kept as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from odradek.balancing.model import BrokerState, ClusterState, PartitionState
from odradek.cli.session import REQUEST_TIMEOUT_S, Session, split_address
from odradek.cli.wire import BrokerConnection, require, schema
from odradek.config.broker_groups import OFFSETS_TOPIC

if TYPE_CHECKING:
    from odradek.cli.errors import CommandError

BROKER = 4
"""The type of a broker's configuration in the protocol; the empty name is the default of all brokers."""
DRAINING, PAUSED = "odradek.draining.brokers", "odradek.balancing.paused"
PERCENTAGE, RESTORES = "leader.imbalance.per.broker.percentage", "auto.leader.rebalance.enable"
OFFSETS_COPIES = "offsets.topic.replication.factor"
ASKED_AT_A_TIME = 16
"""Brokers that are asked together for what they hold."""

LOOKS_MAX = 10
"""Tries to see partitions and their moves at one moment."""

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Disks:
    """What one broker says of its log directories. `sizes` are bytes by partition, empty when not asked for."""

    total_bytes: int
    free_bytes: int
    sizes: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class SeenBroker:
    """`disks` is None for a broker that does not answer."""

    broker_id: int
    host: str
    port: int
    rack: str | None
    is_fenced: bool
    disks: Disks | None = None

    @property
    def address(self) -> str:
        """As `--bootstrap` takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SeenPartition:
    topic: str
    index: int
    leader: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()

    @property
    def is_moving(self) -> bool:
        return bool(self.adding or self.removing)

    @property
    def target(self) -> tuple[int, ...]:
        """The replicas it has once it has moved."""
        return tuple(replica for replica in self.replicas if replica not in self.removing)


@dataclass(frozen=True, slots=True)
class Survey:
    cluster_id: str
    controller_id: int
    brokers: tuple[SeenBroker, ...]
    partitions: tuple[SeenPartition, ...] = ()
    draining: frozenset[int] = frozenset()
    settings: Mapping[str, str | None] = field(default_factory=dict)
    """The configuration of the controller, or of another broker in its place, as far as it is about balancing."""

    @property
    def is_paused(self) -> bool:
        return self.settings.get(PAUSED) == "true"

    def broker(self, broker_id: int) -> SeenBroker | None:
        return next((broker for broker in self.brokers if broker.broker_id == broker_id), None)

    def held_by(self, broker_id: int) -> list[SeenPartition]:
        """Partitions with a replica on the broker, whether it is to go or not."""
        return [each for each in self.partitions if broker_id in each.replicas]

    def state(self) -> ClusterState:
        """What a plan is made from. A partition is as large as the largest of its replicas."""
        sizes: dict[Place, int] = {}
        for seen in self.brokers:
            for place, size in seen.disks.sizes.items() if seen.disks else ():
                sizes[place] = max(sizes.get(place, 0), size)
        brokers = {each.broker_id: self._broker_state(each) for each in self.brokers}
        partitions = [
            PartitionState(
                each.topic,
                each.index,
                each.target,
                each.leader,
                each.isr,
                sizes.get((each.topic, each.index), 0),
                each.is_moving,
                copies=int(self.settings.get(OFFSETS_COPIES) or 0) if each.topic == OFFSETS_TOPIC else 0,
            )
            for each in self.partitions
        ]
        return ClusterState(brokers, partitions)

    def _broker_state(self, seen: SeenBroker) -> BrokerState:
        return BrokerState(
            seen.broker_id,
            seen.rack,
            is_up=not seen.is_fenced,
            is_draining=seen.broker_id in self.draining,
            disk_bytes=seen.disks.total_bytes if seen.disks else 0,
        )


def survey(session: Session, *, sizes_of: Iterable[int] | None = ()) -> Survey:
    """Ask the cluster. `sizes_of`: brokers asked for the size of each replica too; None for all of them."""
    with any_broker(session) as connection:
        described = _describe(connection)
        partitions = _partitions(connection)
    described = _with_settings(described)
    wanted = None if sizes_of is None else frozenset(sizes_of)
    with ThreadPoolExecutor(ASKED_AT_A_TIME) as executor:
        brokers = tuple(executor.map(lambda each: _with_disks(each, wanted), described.brokers))
    return replace(described, brokers=brokers, partitions=partitions)


def any_broker(session: Session) -> BrokerConnection:
    """A connection to the first bootstrap address that answers. Raises CommandError."""
    session.require_broker()
    problem: OSError | None = None
    for address in session.bootstrap.split(","):
        try:
            return BrokerConnection(*split_address(address.strip()))
        except OSError as error:
            problem = error
    raise _unreachable(session, problem)


def _unreachable(session: Session, problem: OSError | None) -> CommandError:
    from odradek.cli.errors import CommandError

    return CommandError(f"no broker at {session.bootstrap}: {problem}")


def _describe(connection: BrokerConnection) -> Survey:
    api = schema("describe_cluster", 2)
    answer = connection.ask(
        api.DescribeClusterRequest(include_cluster_authorized_operations=False, include_fenced_brokers=True)
    )
    require(answer.error_code, answer.error_message)
    brokers = tuple(
        SeenBroker(each.broker_id, each.host, each.port, each.rack, each.is_fenced)
        for each in sorted(answer.brokers, key=lambda each: int(each.broker_id))
    )
    return Survey(answer.cluster_id, answer.controller_id, brokers)


def _moving(connection: BrokerConnection) -> dict[Place, Any]:
    api = schema("list_partition_reassignments", 0)
    timeout = timedelta(seconds=REQUEST_TIMEOUT_S)
    answer = connection.ask(api.ListPartitionReassignmentsRequest(timeout=timeout, topics=None))
    require(answer.error_code, answer.error_message)
    return {(topic.name, each.partition_index): each for topic in answer.topics for each in topic.partitions}


def _with_settings(described: Survey) -> Survey:
    """The controller's own settings, and who is drained. Of any other broker while the controller does not answer."""
    up = [each for each in described.brokers if not each.is_fenced]
    for broker in sorted(up, key=lambda each: each.broker_id != described.controller_id):
        try:
            own = _configs(broker, str(broker.broker_id), (PAUSED, PERCENTAGE, RESTORES, OFFSETS_COPIES))
            text = _configs(broker, "", (DRAINING,)).get(DRAINING) or ""
        except OSError:
            continue
        return replace(described, settings=own, draining=frozenset(int(each) for each in text.split(",") if each))
    return described


def _configs(broker: SeenBroker, name: str, keys: tuple[str, ...]) -> dict[str, str | None]:
    api = schema("describe_configs", 4)
    wanted = api.DescribeConfigsResource(resource_type=BROKER, resource_name=name, configuration_keys=keys)
    with BrokerConnection(broker.host, broker.port) as connection:
        (result,) = connection.ask(api.DescribeConfigsRequest(resources=(wanted,))).results
    require(result.error_code, result.error_message)
    return {each.name: each.value for each in result.configs}


def _with_disks(broker: SeenBroker, sizes_of: frozenset[int] | None) -> SeenBroker:
    """A broker that does not answer has no disks to show."""
    if broker.is_fenced:
        return broker
    api = schema("describe_log_dirs", 4)
    with_sizes = sizes_of is None or broker.broker_id in sizes_of
    try:
        with BrokerConnection(broker.host, broker.port) as connection:
            answer = connection.ask(api.DescribeLogDirsRequest(topics=None if with_sizes else ()))
    except OSError:
        return broker
    return replace(broker, disks=disks_of(answer.results))


def disks_of(directories: Iterable[Any]) -> Disks:
    """Directories on one volume name the same numbers, which count once."""
    known = list(directories)
    volumes = {(each.total_bytes, each.usable_bytes) for each in known if each.total_bytes > 0}
    sizes = {
        (topic.name, each.partition_index): each.partition_size
        for directory in known
        for topic in directory.topics
        for each in topic.partitions
    }
    return Disks(sum(total for total, _ in volumes), sum(free for _, free in volumes), sizes)


def _partitions(connection: BrokerConnection) -> tuple[SeenPartition, ...]:
    """As one broker knows them at one moment: asked again while moves begin or end between its two answers."""
    before = _moving(connection)
    for _ in range(LOOKS_MAX):
        topics, after = _topics(connection), _moving(connection)
        if after == before:
            break
        before = after
    return tuple(
        _seen(topic.name, each, after.get((topic.name, each.partition_index)))
        for topic in sorted(topics, key=lambda topic: str(topic.name))
        for each in sorted(topic.partitions, key=lambda each: int(each.partition_index))
    )


def _topics(connection: BrokerConnection) -> Any:
    api = schema("metadata", 9)
    request = api.MetadataRequest(
        topics=None,
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=False,
        include_topic_authorized_operations=False,
    )
    return connection.ask(request).topics


def _seen(topic: str, partition: Any, move: Any) -> SeenPartition:
    return SeenPartition(
        topic,
        partition.partition_index,
        partition.leader_id,
        tuple(partition.replica_nodes),
        tuple(partition.isr_nodes),
        () if move is None else tuple(move.adding_replicas),
        () if move is None else tuple(move.removing_replicas),
    )
