"""An etcd that went back to a backup keeps its cluster id: its revision gives it away, to whoever saw more."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from odradek.config.metadata import EtcdAccess
from odradek.host.posix import PosixFiles
from odradek.metastore.etcd.store import EtcdStore
from odradek.metastore.store import Put, StoreFailed, StoreRegressed
from odradek.metastore.witness import Witness
from tests.metastore.contract import batches, txn, values
from tests.metastore.etcd.connecting import opened, play
from tests.support.etcd_servers import QUICK, EtcdCluster, etcd_cluster


@pytest.fixture
def own_cluster(tmp_path: Path) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path / "servers") as cluster:
        yield cluster


def back_up(cluster: EtcdCluster, backup: Path) -> None:
    (member,) = cluster.members
    member.kill()
    shutil.copytree(member.directory, backup)
    member.launch()
    member.wait_until_healthy()


def put_back(cluster: EtcdCluster, backup: Path) -> None:
    (member,) = cluster.members
    member.kill()
    shutil.rmtree(member.directory)
    shutil.copytree(backup, member.directory)
    member.launch()
    member.wait_until_healthy()


def witness(directory: Path) -> Witness:
    return Witness(PosixFiles(), [str(directory)])


def test_whoever_opens_an_older_backup_is_told_that_more_was_seen(own_cluster: EtcdCluster, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(own_cluster.access, witness=witness(tmp_path)) as store:
            revision = (await txn(store, Put(b"a", b"1"))).revision
        back_up(own_cluster, tmp_path / "backup")
        async with opened(own_cluster.access, witness=witness(tmp_path)) as store:
            seen = (await txn(store, Put(b"a", b"2"))).revision
        put_back(own_cluster, tmp_path / "backup")
        store = EtcdStore(own_cluster.access, timing=QUICK, witness=witness(tmp_path))
        info = await store.open()
        assert (info.revision, info.seen) == (revision, seen)
        await store.close()
        async with opened(own_cluster.access) as store:
            assert await values(store) == {b"a": b"1"}

    play(scenario)


def test_going_back_is_noticed_by_whoever_saw_more(own_cluster: EtcdCluster, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with opened(own_cluster.access) as store, opened(own_cluster.access) as watcher:
            await txn(store, Put(b"a", b"1"))
            back_up(own_cluster, tmp_path / "backup")
            start = (await store.get(b""))[1]
            watching = asyncio.create_task(batches(watcher, b"", start, start + 100))
            for _ in range(5):
                await txn(store, Put(b"a", b"2"))
            await batches(watcher, b"", start, start + 5)
            put_back(own_cluster, tmp_path / "backup")
            with pytest.raises(StoreRegressed):
                await store.get(b"a")
            with pytest.raises(StoreRegressed):
                await watching

    play(scenario)


def test_an_empty_etcd_is_left_to_its_user(own_cluster: EtcdCluster, tmp_path: Path) -> None:
    async def scenario() -> None:
        seen = witness(tmp_path)
        seen.note(1_000)
        await seen.settled()
        async with opened(own_cluster.access, witness=witness(tmp_path)) as store:
            assert await values(store) == {}

    play(scenario)


def test_the_store_is_named_by_its_cluster_and_counts_its_elections(own_cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        infos = []
        for _ in range(2):
            store = EtcdStore(own_cluster.access, timing=QUICK)
            infos.append(await store.open())
            await store.close()
            own_cluster.members[0].restart()
        assert infos[0].uuid == infos[1].uuid
        assert infos[0].generation < infos[1].generation

    play(scenario)


async def use_for_ever(store: EtcdStore) -> None:
    await store.open()
    while True:
        put = await txn(store, Put(b"a", b""))
        await batches(store, b"", put.revision - 1, put.revision)


def test_members_of_another_cluster_are_not_believed(own_cluster: EtcdCluster, cluster: EtcdCluster) -> None:
    async def scenario() -> None:
        members = (*cluster.access.members, *own_cluster.access.members)
        async with opened(cluster.access) as store:
            await txn(store, Put(b"a", b""))
        for stream_from in range(2):
            store = EtcdStore(EtcdAccess(members), timing=QUICK, stream_from=stream_from)
            with pytest.raises(StoreFailed, match="another cluster"):
                await use_for_ever(store)
            await store.close()

    play(scenario)
