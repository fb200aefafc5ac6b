"""Clusters in one process on a shared memory store, for tests."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

from odradek.cluster.cluster import Cluster
from odradek.cluster.image import BrokerImage, ClusterImage, PartitionImage
from odradek.cluster.records import Endpoint
from odradek.config import BrokerConfig
from odradek.host import Host, SystemClock
from odradek.host.posix import PosixFiles
from odradek.log.life import NO_PROOF, Proof
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.metastore.store import MetadataStore

DEADLINE_S = 30.0
_seeds = itertools.count()
"""No two incarnations draw the same ids."""


def new_cluster(
    store: MetadataStore,
    broker_id: int = 0,
    *,
    rack: str | None = None,
    config: Mapping[str, object] | None = None,
    cluster_name: str = "default",
    directory_id: str | None = None,
) -> Cluster:
    """Not started yet. The data directory is named after the broker."""
    host = Host(PosixFiles(), SystemClock(), random.Random(next(_seeds)), boot_id="boot")
    endpoints = [Endpoint("PLAINTEXT", "127.0.0.1", 9092 + broker_id)]
    return Cluster(
        store,
        host,
        asyncio.get_running_loop(),
        BrokerConfig.parse(config or {}),
        broker_id,
        endpoints,
        rack,
        cluster_name,
        directory_id=directory_id or f"directory-{broker_id}",
    )


async def start(server: MemoryServer, broker_id: int = 0, *, proof: Proof = NO_PROOF, **options: object) -> Cluster:
    cluster = new_cluster(MemoryStore(server), broker_id, **options)  # type: ignore[arg-type]
    await cluster.start(proof=proof)
    return cluster


async def kill(cluster: Cluster) -> None:
    """The process dies: nothing is said to anybody, its lease runs on."""
    for task in cluster._tasks:
        task.cancel()
    await asyncio.gather(*cluster._tasks, return_exceptions=True)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    async def with_deadline() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await scenario()

    asyncio.run(with_deadline())


async def until(cluster: Cluster, condition: Callable[[ClusterImage], bool]) -> ClusterImage:
    """Wait for an image that meets the condition."""
    changed = asyncio.Event()
    cluster.subscribe(lambda delta: changed.set())
    while not condition(cluster.image):
        changed.clear()
        await changed.wait()
    return cluster.image


def broker(broker_id: int, epoch: int = 1, *, predecessor: int = -1, fenced: bool = False, draining: bool = False,
           rack: str | None = None) -> BrokerImage:  # fmt: skip
    return BrokerImage(broker_id, epoch, "", (), rack, "", predecessor, fenced, draining, 1)


def brokers(*registered: BrokerImage) -> dict[int, BrokerImage]:
    return {each.broker_id: each for each in registered}


Entries = Sequence[tuple[int, int]]


def partition(
    replicas: Sequence[int],
    *,
    leader: tuple[int, int] = (-1, -1),
    leader_epoch: int = 5,
    isr: Entries = (),
    elr: Entries = (),
    min_isr: int = 1,
    last_leader: int = -1,
) -> PartitionImage:
    """`leader`, `isr` and `elr` are given as (broker id, broker epoch)."""
    return PartitionImage(
        tuple(replicas), (), (), leader[0], leader[1], leader_epoch,
        tuple(each[0] for each in isr), tuple(each[1] for each in isr),
        tuple(each[0] for each in elr), tuple(each[1] for each in elr),
        min_isr, last_leader, 1,
    )  # fmt: skip
