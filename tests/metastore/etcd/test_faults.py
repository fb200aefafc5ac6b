"""What the etcd store says when the network between it and a real etcd misbehaves: in time, and never too much."""

import asyncio
import random
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

import pytest

from odradek.cluster.writer import Writer
from odradek.metastore.etcd.store import EtcdStore
from odradek.metastore.limits import Limits
from odradek.metastore.store import (
    Compacted,
    Delete,
    LeaseLost,
    MetadataStore,
    NotApplied,
    OutcomeUnknown,
    Put,
    Revision,
    RevisionBatch,
)
from tests.metastore.contract import batches, everything, txn, values
from tests.metastore.etcd.connecting import ONCE, opened, play, proxied, proxy_to, until
from tests.metastore.etcd.counting import KEY, check_counts, count_up
from tests.support.etcd_servers import QUICK, EtcdCluster
from tests.support.faulty_proxy import BOTH, Way

SILENCES = [frozenset({Way.TO_CLIENT}), frozenset({Way.TO_SERVER}), BOTH]


def silence_name(silence: frozenset[Way]) -> str:
    return "nothing goes through" if silence == BOTH else f"nothing goes {next(iter(silence)).value}"


async def revision_of(store: MetadataStore) -> Revision:
    return (await store.get(b""))[1]


def test_a_lost_reply_is_settled_by_the_same_compare_and_swap(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            start = await revision_of(direct)
            proxy.lose_replies_after(b"op-1")
            with pytest.raises(OutcomeUnknown):
                await store.txn(ONCE, (Put(b"a", b"op-1"),), timeout=1)
            assert len(await batches(direct, b"a", start, start + 1)) == 1
            proxy.heal()
            again = await store.txn(ONCE, (Put(b"a", b"op-1"),), timeout=5)
            assert not again.succeeded
            assert again.revision == start + 1
            assert await values(store) == {b"a": b"op-1"}

    play(scenario)


def test_a_writer_finds_out_that_its_lost_transaction_was_applied(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            start = await revision_of(direct)
            proxy.lose_replies_after(b"op-1")
            writing = asyncio.create_task(Writer(store, random.Random(1)).commit(ONCE, [Put(b"a", b"op-1")]))
            await batches(direct, b"a", start, start + 1)
            proxy.heal()
            assert await writing == start + 1

    play(scenario)


def test_a_transaction_that_was_cut_off_before_it_arrived_is_not_reported_as_done(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy):
            proxy.swallowed = frozenset({Way.TO_SERVER})
            asking = asyncio.create_task(store.txn((), (Put(b"a", b"1"),), timeout=5))
            await until(lambda: store._pending == 1)
            proxy.heal()
            with pytest.raises((OutcomeUnknown, NotApplied)):
                await asking
            assert await values(store) == {}

    play(scenario)


def test_without_a_connection_nothing_is_applied_and_that_is_said(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            proxy.refuses = True
            proxy.cut()
            with pytest.raises(NotApplied, match="etcd"):
                await store.get(b"a")
            with pytest.raises(NotApplied, match="etcd"):
                await store.txn((), (Put(b"a", b"1"),), timeout=1)
            assert await values(direct) == {}
            proxy.heal()
            assert (await txn(store, Put(b"a", b"1"))).succeeded

    play(scenario)


@pytest.mark.parametrize("silence", SILENCES, ids=silence_name)
def test_a_black_hole_ends_everything_in_bounded_time_and_it_goes_on_afterwards(
    cluster: EtcdCluster, silence: frozenset[Way]
) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy):
            lease = await store.grant(3)
            start = (await txn(store, Put(b"before", b""))).revision
            watching = asyncio.create_task(batches(store, b"", start, start + 1_000))
            keeping = asyncio.create_task(keep_alive(store, lease.id))
            await until(lambda: len(store._members._streams) == 2)
            proxy.swallowed = silence
            asked = (
                store.get(b"a"), everything(store), store.grant(9), store.revoke(1), store.compact(1_000),
                store.txn((), (Put(b"b", b""),), timeout=2), watching, keeping,
            )  # fmt: skip
            outcomes = await asyncio.gather(*asked, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} <= {NotApplied, OutcomeUnknown}, outcomes
            proxy.heal()
            assert (await txn(store, Put(b"after", b""))).succeeded
            assert b"before" in await values(store)

    play(scenario)


async def keep_alive(store: EtcdStore, lease: int) -> None:
    async for _ in store.keepalive(lease):
        pass


def test_a_watch_misses_and_repeats_nothing_while_its_connections_are_cut(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            start = await revision_of(direct)
            seen: list[RevisionBatch] = []
            watching = asyncio.create_task(collect(store, start, start + 400, seen))
            for index in range(400):
                await txn(direct, Put(b"p/%d" % (index % 7), b"%d" % index))
                if index % 40 == 20:
                    cut_at = index - 19
                    await until(lambda: len(seen) > cut_at)  # noqa: B023 (awaited in this turn)
                    proxy.cut()
            await watching
            assert [batch.revision for batch in seen] == list(range(start + 1, start + 401))
            assert [batch.events[0].value for batch in seen] == [b"%d" % index for index in range(400)]
            assert proxy.connections > 10

    play(scenario)


async def collect(store: MetadataStore, after: Revision, last: Revision, seen: list[RevisionBatch]) -> None:
    async with aclosing(store.watch(b"p/", after=after)) as changes:  # type: ignore[type-var]
        async for change in changes:
            assert isinstance(change, RevisionBatch)
            seen.append(change)
            if change.revision >= last:
                return


def test_a_catch_up_that_etcd_sends_in_fragments_tells_whole_revisions(cluster: EtcdCluster) -> None:
    """A fragment ends at 2 MiB, wherever it is; these revisions have 1.4 MB in two or three keys."""

    async def scenario() -> None:
        async with opened(cluster.access) as store:
            start = await revision_of(store)
            for index in range(8):
                count = 2 + index % 2
                await txn(store, *(Put(b"p/%d" % number, bytes(1_400_000 // count)) for number in range(count)))
            seen = await batches(store, b"p/", start, start + 8)
            assert [(batch.revision, len(batch.events)) for batch in seen] == [
                (start + 1 + index, 2 + index % 2) for index in range(8)
            ]

    play(scenario)


def test_a_watch_that_was_cut_off_while_the_history_was_compacted_is_told(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            start = (await txn(direct, Put(b"a", b""))).revision
            watching = asyncio.create_task(batches(store, b"", start, start + 1_000))
            await until(lambda: len(store._members._streams) == 1)
            proxy.refuses = True
            proxy.cut()
            for _ in range(10):
                last = await txn(direct, Put(b"a", b""))
            await direct.compact(last.revision)
            proxy.heal()
            with pytest.raises(Compacted) as told:
                await watching
            assert told.value.revision == last.revision - 1

    play(scenario)


def test_what_was_deleted_at_the_compacted_revision_is_not_missed(cluster: EtcdCluster) -> None:
    """etcd gives such a watch no error and no deletion: it has to be asked for one revision more."""

    async def scenario() -> None:
        async with opened(cluster.access) as store:
            start = (await txn(store, Put(b"a", b""))).revision
            gone = (await txn(store, Delete(b"a"))).revision
            await txn(store, Put(b"b", b""))
            await store.compact(gone + 1)
            with pytest.raises(Compacted):
                await batches(store, b"", start, gone)

    play(scenario)


def test_a_lease_is_kept_alive_over_cuts(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            lease = await store.grant(1)
            await txn(direct, Put(b"live", b"", lease.id))
            acknowledged = 0
            async with aclosing(store.keepalive(lease.id)) as acks:  # type: ignore[type-var]
                async for _ in acks:
                    acknowledged += 1
                    if acknowledged == 12:
                        break
                    proxy.cut()
            assert b"live" in await values(direct)

    play(scenario)


def test_a_lease_that_ended_while_nobody_could_renew_it_is_lost(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy), opened(cluster.access) as direct:
            lease = await store.grant(2)
            acks = store.keepalive(lease.id)
            await anext(acks)
            proxy.refuses = True
            proxy.cut()
            await direct.revoke(lease.id)
            proxy.heal()
            with pytest.raises(LeaseLost):
                await anext(acks)

    play(scenario)


def test_a_store_that_is_closed_ends_what_waits_on_it(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxied(cluster) as (store, proxy):
            lease = await store.grant(2)
            start = await revision_of(store)
            watching = asyncio.create_task(batches(store, b"", start, start + 1))
            keeping = asyncio.create_task(keep_alive(store, lease.id))
            await until(lambda: len(store._members._streams) == 2)
            proxy.swallowed = BOTH
            asking = asyncio.create_task(store.txn((), (Put(b"a", b""),), timeout=30))
            await until(lambda: store._pending == 1)
            await store.close()
            outcomes = await asyncio.gather(watching, keeping, asking, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [NotApplied, NotApplied, OutcomeUnknown], outcomes

    play(scenario)


def test_an_etcd_that_is_not_there_is_told_in_one_line(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with proxy_to(cluster) as (proxy, access):
            proxy.refuses = True
            store = EtcdStore(access, timing=replace(QUICK, open_s=1))
            with pytest.raises(NotApplied, match="etcd cannot be asked") as told:
                await store.open()
            assert "\n" not in str(told.value)

    play(scenario)


def test_a_full_pipe_refuses(cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        async with opened(cluster.access, limits=Limits(pending_requests_max=10)) as store:
            asked = [txn(store, Put(b"%d" % number, b"")) for number in range(30)]
            results = await asyncio.gather(*asked, return_exceptions=True)
            assert sum(isinstance(result, NotApplied) for result in results) == 20
            assert len(await values(store)) == 10

    play(scenario)


def test_counts_are_right_whatever_happens_to_connections(cluster: EtcdCluster) -> None:
    """Three writers count up one key by compare-and-swap: every step happened once, every acknowledged one happened."""

    async def scenario() -> None:
        source, enough = random.Random(5), asyncio.Event()
        async with AsyncExitStack() as opening:
            direct = await opening.enter_async_context(opened(cluster.access))
            pairs = [await opening.enter_async_context(proxied(cluster)) for _ in range(3)]
            start = await revision_of(direct)
            counting = [
                asyncio.create_task(count_up(store, random.Random(seed), enough))
                for seed, (store, _) in enumerate(pairs)
            ]
            for _ in range(40):
                _, proxy = source.choice(pairs)
                proxy.swallowed = source.choice([frozenset(), *SILENCES])
                await asyncio.sleep(source.uniform(0, 0.1))
                proxy.heal()
                await asyncio.sleep(source.uniform(0, 0.05))
            enough.set()
            acknowledged = [await task for task in counting]
            check_counts(await batches(direct, KEY, start, await revision_of(direct)), acknowledged)

    play(scenario)
