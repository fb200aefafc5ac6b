"""The SQLite store keeps the contract, survives kill -9, and refuses what it cannot trust in one line."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odradek.host.posix import PosixFiles
from odradek.metastore.limits import Limits
from odradek.metastore.memory import MemoryStore
from odradek.metastore.sqlite import SqliteStore, StoreRestored
from odradek.metastore.sqlite_file import FORMAT, StoreUnusable, refuse_network_file_system
from odradek.metastore.store import (
    Compacted,
    Compare,
    Delete,
    MetadataStore,
    NotApplied,
    Operation,
    Put,
    StoreFull,
    Target,
)
from odradek.metastore.witness import FILE_NAME, Witness
from tests.metastore.contract import StoreContract, Stores, batches, everything, txn, values


class SqliteStores:
    """One process, one store: everybody shares the connection."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._store: SqliteStore | None = None

    async def connect(self) -> SqliteStore:
        if self._store is None:
            self._store = SqliteStore(self.path)
            await self._store.open()
        return self._store

    async def restart(self) -> SqliteStore:
        await self.close()
        return await self.connect()

    async def close(self) -> None:
        if self._store is not None:
            await self._store.close()
            self._store = None


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "metadata.db")


@pytest.fixture
def stores(path: str) -> Stores:
    return SqliteStores(path)


class TestSqliteStore(StoreContract):
    pass


def open_and_close(store: SqliteStore) -> None:
    async def play() -> None:
        await store.open()
        await store.close()

    asyncio.run(play())


def test_a_restart_gives_every_known_lease_one_full_ttl(path: str) -> None:
    now = [1000.0]

    async def scenario() -> None:
        store = SqliteStore(path, clock=lambda: now[0])
        await store.open()
        lease = await store.grant(9)
        await txn(store, Put(b"live", b"", lease.id))
        now[0] += 8.9
        await store.close()
        now[0] += 3600
        store = SqliteStore(path, clock=lambda: now[0])
        opened = await store.open()
        now[0] += 8.9
        assert (await anext(store.keepalive(lease.id))).ttl == 9
        now[0] += 8.9
        assert await values(store) == {b"live": b""}
        assert opened.generation == 2
        await store.close()

    asyncio.run(scenario())


def test_a_lease_that_ended_while_the_machine_slept_is_gone_when_it_wakes(path: str) -> None:
    now = [0.0]

    async def scenario() -> None:
        store = SqliteStore(path, clock=lambda: now[0])
        await store.open()
        lease = await store.grant(0.2)
        put = await txn(store, Put(b"live", b"", lease.id))
        now[0] = 3600.0
        await batches(store, b"live", put.revision, put.revision + 1)
        assert await values(store) == {}
        await store.close()

    asyncio.run(scenario())


def test_the_store_keeps_its_uuid_and_counts_its_openings(path: str) -> None:
    async def scenario() -> None:
        infos = []
        for _ in range(3):
            store = SqliteStore(path)
            infos.append(await store.open())
            await store.close()
        assert len({info.uuid for info in infos}) == 1
        assert [info.generation for info in infos] == [1, 2, 3]

    asyncio.run(scenario())


def test_kill_9_after_an_acknowledgement_loses_nothing(path: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name("committer.py")), path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(40)][-1]
        process.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout if line.endswith("\n"))])

    async def scenario() -> None:
        store = SqliteStore(path)
        info = await store.open()
        found = await values(store)
        assert [number for number in range(acknowledged) if b"%d" % number not in found] == []
        assert info.revision == len(found)
        await store.close()

    asyncio.run(scenario())


def test_the_history_is_bounded(path: str) -> None:
    async def scenario() -> None:
        store = SqliteStore(path, limits=Limits(history_events_max=20))
        await store.open()
        for _ in range(30):
            last = await txn(store, Put(b"a", b""))
        with pytest.raises(Compacted) as refused:
            await batches(store, b"", 0, last.revision)
        oldest = refused.value.revision
        assert len(await batches(store, b"", oldest, last.revision)) == last.revision - oldest <= 20
        await store.close()

    asyncio.run(scenario())


def test_a_full_queue_refuses(path: str) -> None:
    async def scenario() -> None:
        store = SqliteStore(path, limits=Limits(pending_requests_max=10))
        await store.open()
        results = await asyncio.gather(*[txn(store, Put(b"%d" % n, b"")) for n in range(30)], return_exceptions=True)
        refused = [result for result in results if isinstance(result, NotApplied)]
        assert len(refused) == 20
        assert len(await values(store)) == 10
        await store.close()

    asyncio.run(scenario())


def test_a_full_disk_refuses_and_the_store_goes_on_when_there_is_space(path: str) -> None:
    async def scenario() -> None:
        store = SqliteStore(path)
        await store.open()
        kept = await txn(store, Put(b"kept", b"1"))
        connection = store._connection
        assert connection is not None
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StoreFull, match="full"):
            await txn(store, Put(b"large", b"x" * 1_000_000))
        assert await values(store) == {b"kept": b"1"}
        connection.execute("PRAGMA max_page_count=1000000")
        assert (await txn(store, Put(b"large", b"x" * 1_000_000))).revision == kept.revision + 1
        await store.close()

    asyncio.run(scenario())


def test_a_backup_is_a_store_of_its_own(path: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        store = SqliteStore(path)
        await store.open()
        await txn(store, Put(b"a", b"1"))
        copy = str(tmp_path / "copy.db")
        await store.backup(copy)
        await txn(store, Put(b"a", b"2"))
        await store.close()
        restored = SqliteStore(copy)
        await restored.open()
        assert await values(restored) == {b"a": b"1"}
        await restored.close()

    asyncio.run(scenario())


def test_a_backup_behind_its_witness_is_opened_only_where_its_revision_is_accepted(path: str, tmp_path: Path) -> None:
    def witness() -> Witness:
        return Witness(PosixFiles(), [str(tmp_path / "no such directory"), str(tmp_path)])

    async def scenario() -> None:
        store, copy = SqliteStore(path, witness=witness()), str(tmp_path / "copy.db")
        await store.open()
        revision = (await txn(store, Put(b"a", b"1"))).revision
        await store.backup(copy)
        seen = (await txn(store, Put(b"a", b"2"))).revision
        await store.close()

        for accepted in (None, revision - 1, seen):
            with pytest.raises(StoreRestored) as refused:
                await SqliteStore(copy, witness=witness(), accepted=accepted).open()
            assert refused.value.revision == revision

        restored = SqliteStore(copy, witness=witness(), accepted=revision)
        info = await restored.open()
        assert info.revision == info.restored > seen
        assert info.lost == info.restored - revision
        assert (await txn(restored, Put(b"b", b"3"))).revision == info.restored + 1
        await restored.close()

        again = await (store := SqliteStore(copy, witness=witness())).open()
        assert (again.restored, again.lost) == (info.restored, info.lost)
        await store.close()

    asyncio.run(scenario())


def test_a_damaged_witness_stops_nothing(path: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("never written by us")

    async def scenario() -> None:
        store = SqliteStore(path, witness=Witness(PosixFiles(), [str(tmp_path)]))
        await store.open()
        revision = (await txn(store, Put(b"a", b"1"))).revision
        await store.close()
        assert (tmp_path / FILE_NAME).read_text() == f"{revision}\n"

    asyncio.run(scenario())


def refusal(path: str) -> str:
    """The one line with which opening is refused."""
    with pytest.raises(StoreUnusable) as refused:
        open_and_close(SqliteStore(path))
    message = str(refused.value)
    assert "\n" not in message
    assert path in message
    return message


def test_a_database_in_use_is_refused(path: str) -> None:
    async def scenario() -> None:
        store = SqliteStore(path)
        await store.open()
        with pytest.raises(StoreUnusable, match="in use by another process"):
            await SqliteStore(path).open()
        await store.close()

    asyncio.run(scenario())


def test_a_newer_format_is_refused(path: str) -> None:
    open_and_close(SqliteStore(path))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'odradek.format'", (FORMAT + 1,))
    connection.close()
    assert f"odradek.format={FORMAT + 1}" in refusal(path)


def test_a_file_that_is_no_database_is_refused(path: str) -> None:
    Path(path).write_bytes(b"not a database" * 1000)
    assert "damaged" in refusal(path)


def test_a_foreign_database_is_refused(path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE meta (name, value)")
    connection.commit()
    connection.close()
    assert "not a metadata store" in refusal(path)


def test_a_damaged_database_is_refused(path: str) -> None:
    async def fill() -> None:
        store = SqliteStore(path)
        await store.open()
        await asyncio.gather(*[txn(store, Put(b"%d" % n, b"x" * 2_000)) for n in range(200)])
        await store.close()

    asyncio.run(fill())
    content = bytearray(Path(path).read_bytes())
    for page in range(20, 60):
        content[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    Path(path).write_bytes(content)
    assert "damaged" in refusal(path)


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/export /mnt/with\\040space nfs4 rw 0 0
//server/share /mnt/share cifs rw 0 0
user@server: /mnt/sshfs fuse.sshfs rw 0 0
tmpfs /mnt/sshfs/local tmpfs rw 0 0
"""


@pytest.mark.parametrize("directory", ["/mnt/with space/data", "/mnt/share", "/mnt/sshfs/x"])
def test_a_network_file_system_is_refused(directory: str) -> None:
    with pytest.raises(StoreUnusable, match="network file system"):
        refuse_network_file_system(directory, MOUNTS)


@pytest.mark.parametrize("directory", ["/mnt", "/mnt/shared", "/mnt/sshfs/local/data", "/"])
def test_a_local_file_system_is_accepted(directory: str) -> None:
    refuse_network_file_system(directory, MOUNTS)


keys = st.sampled_from([b"a", b"a/", b"a/b", b"a/c", b"b", b"\xff", b"\xff\xff"])
operations = st.one_of(
    st.builds(Put, keys, st.binary(max_size=3)), st.builds(Delete, keys), st.builds(Delete, keys, st.just(True))
)
compares = st.builds(
    Compare, keys, st.sampled_from([Target.CREATE, Target.MOD, Target.VERSION]), st.integers(0, 6),
    st.sampled_from(["equal", "less", "greater"]),
)  # fmt: skip
steps = st.one_of(
    st.just("restart"),
    st.lists(
        st.tuples(st.lists(compares, max_size=2), st.lists(operations, max_size=3), st.lists(operations, max_size=2)),
        min_size=1,
        max_size=5,
    ),
)


async def outcomes(
    store: MetadataStore, group: list[tuple[list[Compare], list[Operation], list[Operation]]]
) -> list[object]:
    """What each of some transactions asked for at once comes to."""
    asked = [store.txn(when, then, otherwise, timeout=20) for when, then, otherwise in group]
    results = await asyncio.gather(*asked, return_exceptions=True)
    return [repr(result) for result in results]


@settings(max_examples=60, deadline=None)
@given(script=st.lists(steps, max_size=8))
def test_it_does_what_the_memory_store_does(script: list[object]) -> None:
    async def play(path: str) -> None:
        stores, model = SqliteStores(path), MemoryStore()
        await model.open()
        store = await stores.connect()
        start = (await model.get(b""))[1]
        for step in script:
            if step == "restart":
                store = await stores.restart()
                start = (await model.get(b""))[1]
                continue
            assert isinstance(step, list)
            assert await outcomes(store, step) == await outcomes(model, step)
            assert await everything(store) == await everything(model)
            end = (await model.get(b""))[1]
            assert await batches(store, b"a", start, end) == await batches(model, b"a", start, end)
        assert await everything(await stores.restart()) == await everything(model)
        await stores.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(play(f"{directory}/metadata.db"))
