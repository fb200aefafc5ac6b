"""What the handlers of the data plane ask of the broker."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from odradek.broker.connections import Connections
from odradek.cluster.cluster import Cluster
from odradek.config import BrokerConfig
from odradek.host import Host
from odradek.log.manager import LogManager
from odradek.replication.hearing import Hearing
from odradek.replication.lending import Lending
from odradek.replication.replica_manager import ReplicaManager

if TYPE_CHECKING:
    from odradek.broker.fetch_sessions import FetchSessions


class DataHost(Protocol):
    """`broker.Broker`, as far as records go."""

    @property
    def host(self) -> Host: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def config(self) -> BrokerConfig: ...

    @property
    def cluster(self) -> Cluster: ...

    @property
    def logs(self) -> LogManager: ...

    @property
    def replicas(self) -> ReplicaManager: ...

    @property
    def lending(self) -> Lending: ...

    @property
    def hearing(self) -> Hearing: ...

    @property
    def connections(self) -> Connections: ...

    @property
    def recompression(self) -> asyncio.Lock: ...

    @property
    def fetch_sessions(self) -> "FetchSessions": ...
