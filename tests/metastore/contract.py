"""What every metadata store must do. Each implementation's test module subclasses `StoreContract`."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Protocol

import pytest

from odradek.metastore.limits import Limits
from odradek.metastore.store import (
    KV,
    Compacted,
    Compare,
    Delete,
    LeaseLost,
    LimitExceeded,
    MetadataStore,
    NotApplied,
    Operation,
    Progress,
    Put,
    Revision,
    RevisionBatch,
    StoreRegressed,
    Target,
    TxnResult,
)

DEADLINE_S = 20.0


class Stores(Protocol):
    """One implementation under test; all connections see the same data."""

    async def connect(self) -> MetadataStore: ...

    async def restart(self) -> MetadataStore:
        """The store itself stops and starts again; earlier connections are dead."""
        ...

    async def close(self) -> None: ...


def run(stores: Stores, scenario: Callable[[MetadataStore], Coroutine[Any, Any, None]]) -> None:
    """Play a scenario on a fresh connection, with a deadline."""

    async def play() -> None:
        async with asyncio.timeout(DEADLINE_S):
            try:
                await scenario(await stores.connect())
            finally:
                await stores.close()

    asyncio.run(play())


async def txn(
    store: MetadataStore, *then: Operation, when: tuple[Compare, ...] = (), otherwise: tuple[Operation, ...] = ()
) -> TxnResult:
    return await store.txn(when, then, otherwise, timeout=DEADLINE_S)


async def everything(store: MetadataStore, prefix: bytes = b"", at: Revision = 0) -> tuple[dict[bytes, KV], Revision]:
    items: dict[bytes, KV] = {}
    revision = 0
    async for page in store.scan(prefix, at=at):
        assert not revision or page.revision == revision
        revision = page.revision
        items |= {item.key: item for item in page.items}
    return items, revision


async def values(store: MetadataStore, prefix: bytes = b"", at: Revision = 0) -> dict[bytes, bytes]:
    return {key: item.value for key, item in (await everything(store, prefix, at))[0].items()}


async def batches(store: MetadataStore, prefix: bytes, after: Revision, until: Revision) -> list[RevisionBatch]:
    """All batches up to the revision `until`."""
    found: list[RevisionBatch] = []
    if after >= until:
        return found
    async with aclosing(store.watch(prefix, after=after)) as changes:  # type: ignore[type-var]
        async for change in changes:
            if isinstance(change, RevisionBatch):
                found.append(change)
            if change.revision >= until:
                return found
    return found


class StoreContract:
    def test_a_key_tells_when_it_was_made_and_changed(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            first = await txn(store, Put(b"a", b"1"))
            second = await txn(store, Put(b"a", b"2"))
            found, revision = await store.get(b"a")
            assert found == KV(b"a", b"2", first.revision, second.revision, 2)
            assert revision == second.revision

        run(stores, scenario)

    def test_a_deleted_key_starts_again_at_version_one(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            await txn(store, Put(b"a", b"1"))
            await txn(store, Delete(b"a"))
            assert (await store.get(b"a"))[0] is None
            again = await txn(store, Put(b"a", b"2"))
            assert (await store.get(b"a"))[0] == KV(b"a", b"2", again.revision, again.revision, 1)

        run(stores, scenario)

    @pytest.mark.parametrize(
        ("compare", "holds"),
        [
            (Compare(b"a", Target.VERSION, 2), True),
            (Compare(b"a", Target.VERSION, 1, "greater"), True),
            (Compare(b"a", Target.VERSION, 2, "less"), False),
            (Compare(b"a", Target.VALUE, b"2"), True),
            (Compare(b"a", Target.VALUE, b"1"), False),
            (Compare(b"a", Target.CREATE, 0), False),
            (Compare(b"a", Target.CREATE, 0, "greater"), True),
            (Compare(b"a", Target.LEASE, 0), True),
            (Compare(b"none", Target.CREATE, 0), True),
            (Compare(b"none", Target.MOD, 0), True),
            (Compare(b"none", Target.VERSION, 0), True),
            (Compare(b"none", Target.LEASE, 0), True),
            (Compare(b"none", Target.VALUE, b""), False),
        ],
    )
    def test_a_comparison_decides(self, stores: Stores, compare: Compare, holds: bool) -> None:
        async def scenario(store: MetadataStore) -> None:
            await txn(store, Put(b"a", b"1"))
            await txn(store, Put(b"a", b"2"))
            result = await txn(store, Put(b"then", b""), when=(compare,), otherwise=(Put(b"otherwise", b""),))
            assert result.succeeded is holds
            assert set(await values(store)) == {b"a", b"then" if holds else b"otherwise"}

        run(stores, scenario)

    def test_mod_and_create_revisions_are_compared(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            made = (await txn(store, Put(b"a", b"1"))).revision
            changed = (await txn(store, Put(b"a", b"2"))).revision
            when = (Compare(b"a", Target.CREATE, made), Compare(b"a", Target.MOD, changed))
            assert (await txn(store, Put(b"a", b"3"), when=when)).succeeded
            assert not (await txn(store, Put(b"a", b"4"), when=when)).succeeded

        run(stores, scenario)

    def test_a_transaction_has_one_revision_and_one_batch(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            start = (await txn(store, Put(b"p/old", b""))).revision
            done = await txn(store, Put(b"p/b", b"2"), Put(b"p/a", b"1"), Delete(b"p/old"))
            assert done.revision == start + 1
            (batch,) = await batches(store, b"p/", start, done.revision)
            assert [(event.key, event.value) for event in batch.events] == [
                (b"p/a", b"1"),
                (b"p/b", b"2"),
                (b"p/old", None),
            ]

        run(stores, scenario)

    def test_a_failed_transaction_changes_no_revision(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            before = await txn(store, Put(b"a", b"1"))
            failed = await txn(store, Put(b"b", b""), when=(Compare(b"a", Target.CREATE, 0),))
            assert failed == TxnResult(False, before.revision)
            assert (await txn(store, Put(b"c", b""))).revision == before.revision + 1

        run(stores, scenario)

    def test_deleting_nothing_changes_no_revision(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            before = await txn(store, Put(b"a", b"1"))
            assert (await txn(store, Delete(b"x"), Delete(b"y/", prefix=True))).revision == before.revision

        run(stores, scenario)

    def test_a_prefix_is_deleted_with_all_under_it_and_nothing_else(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            names = [b"p/1", b"p/2", b"p/\xff\xff", b"p0", b"o", b"p"]
            await txn(store, *(Put(name, name) for name in names))
            await txn(store, Delete(b"p/", prefix=True))
            assert set(await values(store)) == {b"p0", b"o", b"p"}

        run(stores, scenario)

    def test_transactions_at_once_each_have_their_own_revision_and_outcome(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            when = (Compare(b"seat", Target.CREATE, 0),)
            tries = [txn(store, Put(b"seat", str(index).encode()), when=when) for index in range(20)]
            counts = [txn(store, Put(b"n/%d" % index, b"")) for index in range(20)]
            results = await asyncio.gather(*tries, *counts)
            winners = [result for result in results[:20] if result.succeeded]
            assert len(winners) == 1
            revisions = [result.revision for result in (*winners, *results[20:])]
            assert len(set(revisions)) == 21
            assert len(await values(store, b"n/")) == 20

        run(stores, scenario)

    def test_revisions_go_on_after_a_restart(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            await txn(store, Put(b"a", b"1"))
            last = await txn(store, Delete(b"a"))
            store = await stores.restart()
            assert (await store.get(b"a"))[1] == last.revision
            assert (await txn(store, Put(b"b", b""))).revision == last.revision + 1

        run(stores, scenario)

    def test_everything_is_there_after_a_restart(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            await asyncio.gather(*[txn(store, Put(b"%d" % index, b"x" * index)) for index in range(500)])
            await txn(store, Delete(b"1", prefix=True))
            before = await everything(store)
            assert await everything(await stores.restart()) == before

        run(stores, scenario)

    def test_a_paged_scan_is_consistent_under_writes(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            for start in range(0, 2_500, 100):
                await txn(store, *(Put(b"p/%05d" % index, b"old") for index in range(start, start + 100)))
            seen: list[bytes] = []
            async for page in store.scan(b"p/"):
                seen += [item.value for item in page.items]
                await txn(store, Put(b"p/%05d" % 2_499, b"new"), Put(b"p/zzz%d" % len(seen), b"new"))
            assert seen == [b"old"] * 2_500

        run(stores, scenario)

    def test_a_scan_shows_any_kept_revision(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            first = (await txn(store, Put(b"a", b"1"))).revision
            await txn(store, Put(b"a", b"2"), Put(b"b", b"2"))
            await txn(store, Delete(b"a"))
            assert await values(store, at=first) == {b"a": b"1"}
            assert await values(store, at=first + 1) == {b"a": b"2", b"b": b"2"}
            assert await values(store) == {b"b": b"2"}

        run(stores, scenario)

    def test_a_snapshot_and_the_watch_after_it_give_the_live_state_from_any_point(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            source = random.Random(7)
            revisions = [(await store.get(b""))[1]]
            for _ in range(120):
                key = b"p/%d" % source.randrange(12)
                operation = Delete(key) if source.random() < 0.3 else Put(key, b"%d" % source.randrange(99))
                revisions.append((await txn(store, operation)).revision)
            live = await values(store, b"p/")
            for cut in source.sample(revisions, 25):
                state = await values(store, b"p/", at=cut)
                for batch in await batches(store, b"p/", cut, revisions[-1]):
                    for event in batch.events:
                        state.pop(event.key, None)
                        if event.value is not None:
                            state[event.key] = event.value
                assert state == live

        run(stores, scenario)

    def test_a_watch_that_is_taken_up_again_misses_and_repeats_nothing(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            start = (await store.get(b""))[1]
            for index in range(60):
                await txn(store, Put(b"p/a", b"%d" % index))
            end = start + 60
            seen: list[int] = []
            while not seen or seen[-1] < end:
                after = seen[-1] if seen else start
                part = await batches(await stores.connect(), b"p/", after, min(after + 7, end))
                seen += [batch.revision for batch in part]
            assert seen == list(range(start + 1, end + 1))

        run(stores, scenario)

    def test_a_watch_waits_for_what_comes(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            start = (await store.get(b""))[1]
            watching = asyncio.create_task(batches(store, b"p/", start, start + 2))
            await txn(store, Put(b"elsewhere", b""))
            await txn(store, Put(b"p/a", b"1"))
            (batch,) = await watching
            assert batch.revision == start + 2

        run(stores, scenario)

    def test_progress_tells_of_changes_elsewhere(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            start = (await store.get(b""))[1]
            await txn(store, Put(b"elsewhere", b""))
            async with aclosing(store.watch(b"p/", after=start)) as changes:  # type: ignore[type-var]
                assert await anext(changes) == Progress(start + 1)

        run(stores, scenario)

    def test_a_compacted_start_is_refused_at_once(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            start = (await store.get(b""))[1]
            for _ in range(10):
                last = await txn(store, Put(b"a", b""))
            await store.compact(last.revision)
            with pytest.raises(Compacted) as refused:
                await batches(store, b"", start, last.revision)
            assert refused.value.revision == last.revision - 1
            with pytest.raises(Compacted):
                await everything(store, at=start + 1)
            assert len(await batches(store, b"", refused.value.revision, last.revision)) == 1

        run(stores, scenario)

    def test_a_revision_from_the_future_means_that_the_store_went_back(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            now = (await txn(store, Put(b"a", b""))).revision
            with pytest.raises(StoreRegressed):
                await batches(store, b"", now + 5, now + 6)

        run(stores, scenario)

    def test_the_end_of_a_lease_deletes_all_its_keys_in_one_batch_and_never_early(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            loop = asyncio.get_running_loop()
            granted_at = loop.time()
            lease = await store.grant(0.2)
            put = await txn(store, Put(b"l/a", b"", lease.id), Put(b"l/b", b"", lease.id), Put(b"l/kept", b""))
            (batch,) = await batches(store, b"l/", put.revision, put.revision + 1)
            assert loop.time() - granted_at >= 0.199
            assert [(event.key, event.value) for event in batch.events] == [(b"l/a", None), (b"l/b", None)]
            assert list(await values(store, b"l/")) == [b"l/kept"]

        run(stores, scenario)

    def test_a_key_that_left_its_lease_stays(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            lease = await store.grant(60)
            await txn(store, Put(b"a", b"", lease.id), Put(b"b", b"", lease.id))
            await txn(store, Put(b"a", b""))
            await store.revoke(lease.id)
            assert list(await values(store)) == [b"a"]

        run(stores, scenario)

    def test_a_lease_that_is_kept_alive_outlives_its_ttl(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            lease = await store.grant(0.3)
            await txn(store, Put(b"a", b"", lease.id))
            until = asyncio.get_running_loop().time() + 3 * lease.ttl
            async with aclosing(store.keepalive(lease.id)) as acks:  # type: ignore[type-var]
                async for ack in acks:
                    assert ack.ttl == lease.ttl >= 0.3
                    if asyncio.get_running_loop().time() > until:
                        break
            assert (await store.get(b"a"))[0] is not None

        run(stores, scenario)

    def test_a_dead_lease_can_neither_be_kept_alive_nor_used(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            lease = await store.grant(60)
            await store.revoke(lease.id)
            with pytest.raises(LeaseLost):
                await anext(store.keepalive(lease.id))
            with pytest.raises(LeaseLost):
                await txn(store, Put(b"a", b"", lease.id))
            await store.revoke(lease.id)

        run(stores, scenario)

    def test_lease_ids_are_never_used_twice(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            first = await store.grant(60)
            await store.revoke(first.id)
            store = await stores.restart()
            assert (await store.grant(60)).id != first.id

        run(stores, scenario)

    def test_an_election_has_one_winner_and_the_deposed_cannot_write(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            async def campaign(name: bytes) -> tuple[int, int] | None:
                lease = await store.grant(60)
                won = await txn(store, Put(b"seat", name, lease.id), when=(Compare(b"seat", Target.CREATE, 0),))
                return (lease.id, won.revision) if won.succeeded else None

            winners = [won for won in await asyncio.gather(*[campaign(b"%d" % n) for n in range(10)]) if won]
            ((lease, seat),) = winners
            held = (Compare(b"seat", Target.CREATE, seat),)
            assert (await txn(store, Put(b"order", b"1"), when=held)).succeeded
            await store.revoke(lease)
            assert await campaign(b"next") is not None
            assert not (await txn(store, Put(b"order", b"2"), when=held)).succeeded
            assert (await values(store, b"order"))[b"order"] == b"1"

        run(stores, scenario)

    def test_limits_are_enforced(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            await txn(store, *(Put(b"%d" % index, b"") for index in range(128)))
            with pytest.raises(LimitExceeded):
                await txn(store, *(Put(b"%d" % index, b"") for index in range(129)))
            with pytest.raises(LimitExceeded):
                await txn(store, Put(b"a", b"x" * Limits().max_bytes))
            await txn(store, Put(b"a", b"x" * (Limits().max_bytes - 1)))

        run(stores, scenario)

    @pytest.mark.parametrize(
        "operations",
        [
            (Put(b"a", b"1"), Put(b"a", b"2")),
            (Put(b"a", b"1"), Delete(b"a")),
            (Put(b"p/a", b"1"), Delete(b"p/", prefix=True)),
        ],
    )
    def test_a_transaction_may_not_name_a_key_twice(self, stores: Stores, operations: tuple[Operation, ...]) -> None:
        async def scenario(store: MetadataStore) -> None:
            with pytest.raises(ValueError, match="more than once"):
                await txn(store, *operations)

        run(stores, scenario)

    def test_a_bad_request_does_not_take_others_with_it(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            bad = txn(store, Put(b"bad", b""), when=(Compare(b"a", Target.CREATE, 0, "resembles"),))
            results = await asyncio.gather(txn(store, Put(b"a", b"")), bad, txn(store, Put(b"b", b"")),
                                           return_exceptions=True)  # fmt: skip
            assert [type(result) for result in results] == [TxnResult, ValueError, TxnResult]
            assert set(await values(store)) == {b"a", b"b"}

        run(stores, scenario)

    def test_a_closed_store_answers_in_bounded_time(self, stores: Stores) -> None:
        async def scenario(store: MetadataStore) -> None:
            await store.close()
            asked: list[Callable[[], Awaitable[object]]] = [
                lambda: store.get(b"a"),
                lambda: txn(store, Put(b"a", b"")),
                lambda: store.grant(9),
                lambda: everything(store),
            ]
            for ask in asked:
                with pytest.raises(NotApplied):
                    await ask()

        run(stores, scenario)
