"""What the supervisor does in the store when a broker's process is gone."""

import asyncio
import logging
from pathlib import Path

import pytest

from odradek.cluster.keys import Keys
from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.store import Put, StoreFailed
from odradek.supervisor import supervisor as supervising
from odradek.supervisor.supervisor import Supervisor
from tests.metastore.contract import txn, values

KEYS = Keys("default")


async def opened(path: Path) -> tuple[SqliteStore, Supervisor]:
    store = SqliteStore(str(path / "metadata.sqlite"))
    await store.open()
    return store, Supervisor(store, str(path / "metadata.sock"), [], KEYS)


def test_everything_under_the_lease_of_the_dead_goes_and_nothing_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        store, supervisor = await opened(tmp_path)
        for node_id in (1, 2):
            lease = await store.grant(60)
            await txn(store, Put(KEYS.live(node_id), b"", lease.id), Put(b"of/%d" % node_id, b"", lease.id))
        await supervisor._end_lease(2)
        assert set(await values(store)) == {KEYS.live(1), b"of/1"}
        await supervisor._end_lease(3)
        assert set(await values(store)) == {KEYS.live(1), b"of/1"}
        await supervisor.stop()

    asyncio.run(scenario())


def test_a_store_that_does_not_answer_is_asked_again_and_then_left_to_the_lease(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervising, "REVOKE_PAUSE_S", 0.0)

    async def scenario() -> None:
        store, supervisor = await opened(tmp_path)
        await store.close()
        with caplog.at_level(logging.ERROR):
            await supervisor._end_lease(2)
        assert "waits until it expires" in caplog.text
        assert not supervisor.failed.done()

    asyncio.run(scenario())


def test_a_store_whose_disk_has_failed_ends_the_supervisor(tmp_path: Path) -> None:
    async def scenario() -> None:
        store, supervisor = await opened(tmp_path)
        assert store._connection is not None
        store._connection.close()
        with pytest.raises(Exception, match="failed"):
            await txn(store, Put(b"a", b""))
        await supervisor._end_lease(2)
        assert isinstance(supervisor.failed.result(), StoreFailed)
        await supervisor.stop()

    asyncio.run(scenario())
