"""The etcd store on three members: leaders that die, hang and come back, a lost quorum, members that restart."""

import asyncio
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from odradek.cluster.writer import Writer
from odradek.metastore.etcd.store import EtcdStore
from odradek.metastore.store import MetadataStore, NotApplied, OutcomeUnknown, Put, Revision, RevisionBatch
from tests.metastore.contract import batches, txn, values
from tests.metastore.etcd.connecting import opened, play, until
from tests.metastore.etcd.counting import KEY, Acknowledged, check_counts, count_up
from tests.support.etcd_servers import EtcdCluster, EtcdMember, etcd_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path, size=3) as cluster:
        yield cluster


def asked(store: EtcdStore) -> str:
    """The address of the member that requests go to."""
    member = store._members._current
    return "" if member is None else member.address


async def revision_of(store: MetadataStore) -> Revision:
    return (await store.get(b""))[1]


async def watch_all(store: MetadataStore, after: Revision, seen: list[RevisionBatch]) -> None:
    async with aclosing(store.watch(b"", after=after)) as changes:  # type: ignore[type-var]
        async for change in changes:
            assert isinstance(change, RevisionBatch)
            seen.append(change)


class Load:
    """Two writers that count up, and a watcher that follows, each with a store of its own."""

    def __init__(self, stores: list[EtcdStore], start: Revision) -> None:
        self.seen: list[RevisionBatch] = []
        self._enough = asyncio.Event()
        self._watching = asyncio.create_task(watch_all(stores[2], start, self.seen))
        self._counting = [
            asyncio.create_task(count_up(store, random.Random(seed), self._enough))
            for seed, store in enumerate(stores[:2])
        ]

    async def goes_on(self) -> None:
        """Returns when more was written and seen."""
        before = len(self.seen)
        await until(lambda: len(self.seen) > before + 20 or self._watching.done())

    async def end(self, store: MetadataStore) -> None:
        """Everything acknowledged is there, and the watcher saw everything once."""
        self._enough.set()
        acknowledged: list[Acknowledged] = [await task for task in self._counting]
        last = await revision_of(store)
        await until(lambda: self._watching.done() or (bool(self.seen) and self.seen[-1].revision >= last))
        assert not self._watching.done()
        self._watching.cancel()
        assert self.seen == await batches(store, b"", self.seen[0].revision - 1, last)
        check_counts([batch for batch in self.seen if batch.events[0].key == KEY], acknowledged)


async def start_load(opening: AsyncExitStack, cluster: EtcdCluster) -> tuple[Load, EtcdStore]:
    stores = [
        await opening.enter_async_context(opened(cluster.access, stream_from=number)) for number in range(4)
    ]  # fmt: skip
    load = Load(stores, await revision_of(stores[3]))
    await load.goes_on()
    return load, stores[3]


def kill(member: EtcdMember) -> None:
    member.kill()


def stop_the_process(member: EtcdMember) -> None:
    member.send(signal.SIGSTOP)


def test_requests_go_to_the_leader_and_follow_it(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with opened(cluster.access) as store:
            first = cluster.leader()
            assert asked(store) == first.address
            first.kill()
            first.launch()
            await until(cluster.has_leader)
            await ask_until(store, lambda: asked(store) == cluster.leader().address)

    play(scenario)


def test_a_follower_is_asked_only_until_the_leader_answers(cluster: EtcdCluster) -> None:
    """Nothing is elected when a leader wakes up in time: no later term tells of it."""

    async def scenario() -> None:
        async with opened(cluster.access) as store:
            leader = cluster.leader()
            store._members._choose(
                next(m for m in store._members._members if m.address != leader.address), is_leader=False
            )
            await ask_until(store, lambda: asked(store) == leader.address)

    play(scenario)


async def ask_until(store: EtcdStore, condition: Callable[[], bool]) -> None:
    while not condition():
        await store.get(b"a")


@pytest.mark.parametrize("loss", [kill, stop_the_process])
def test_the_loss_of_the_leader_loses_nothing_and_stops_nobody(
    cluster: EtcdCluster, loss: Callable[[EtcdMember], None]
) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as opening:
            load, store = await start_load(opening, cluster)
            lost = cluster.leader()
            loss(lost)
            await load.goes_on()
            lost.kill()
            lost.launch()
            await until(lost.is_healthy)
            await load.goes_on()
            await load.end(store)

    play(scenario)


def test_members_that_restart_one_after_the_other_disturb_nobody(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as opening:
            load, store = await start_load(opening, cluster)
            for member in cluster.members:
                member.kill(signal.SIGTERM)
                await load.goes_on()
                member.launch()
                await until(member.is_healthy)
            await load.end(store)

    play(scenario)


def test_a_lost_quorum_is_told_in_bounded_time_and_gets_over_it(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with opened(cluster.access) as store:
            lease = await store.grant(3)
            start = (await txn(store, Put(b"a", b"1"))).revision
            watching = asyncio.create_task(batches(store, b"", start, start + 1_000))
            keeping = asyncio.create_task(keep_alive(store, lease.id))
            await until(lambda: len(store._members._streams) == 2)
            for member in cluster.members[:2]:
                member.kill()
            asking = (
                store.get(b"a"), store.grant(9), store.txn((), (Put(b"b", b"2"),), timeout=2), watching, keeping,
            )  # fmt: skip
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {NotApplied, OutcomeUnknown}, outcomes
            for member in cluster.members[:2]:
                member.launch()
            await until(cluster.has_leader)
            assert await Writer(store, random.Random(1)).commit((), [Put(b"c", b"3")]) is not None
            assert {b"a", b"c"} <= set(await values(store))

    play(scenario)


async def keep_alive(store: EtcdStore, lease: int) -> None:
    async for _ in store.keepalive(lease):
        pass
