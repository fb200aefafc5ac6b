"""Whether the process of a broker that was asked to stop is started again."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from odradek.cluster.keys import Keys
from odradek.cluster.records import BrokerRecord, ConfigRecord, PartitionRecord
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.metastore.store import Put
from odradek.supervisor.retiring import is_retired
from tests.metastore.contract import txn

KEYS = Keys("default")
TOPIC = UUID(int=7)


def retired(node_id: int, *, draining: str = "", registered: bool = True, replicas: Sequence[int] = (1, 2)) -> bool:
    async def scenario() -> bool:
        store = MemoryStore(MemoryServer())
        await store.open()
        part = PartitionRecord(tuple(replicas), replicas[0], 1, 1, ())
        await txn(store, Put(KEYS.partition(TOPIC, 0), part.encode()))
        if draining:
            config = ConfigRecord({"odradek.draining.brokers": draining})
            await txn(store, Put(KEYS.config("broker", ""), config.encode()))
        if registered:
            await txn(store, Put(KEYS.broker(node_id), BrokerRecord(1, "", ()).encode()))
        return await is_retired(store, KEYS, node_id)

    return asyncio.run(scenario())


@pytest.mark.parametrize("draining", ["", "1", "13"])
def test_a_broker_that_nobody_drained_is_wanted(draining: str) -> None:
    assert not retired(3, draining=draining)


def test_so_is_one_that_is_drained_while_it_has_replicas() -> None:
    assert not retired(3, draining="1,3", replicas=(1, 3))


def test_an_empty_one_that_was_drained_is_not() -> None:
    assert retired(3, draining="1,3")


def test_nor_is_one_that_was_removed() -> None:
    assert retired(3, registered=False)
