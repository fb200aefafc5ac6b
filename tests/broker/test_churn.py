"""What comes and goes leaves nothing behind: as many objects and descriptors after twice as many rounds."""

import asyncio
import gc
import os
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.broker import Broker
from odradek.metastore.limits import Limits
from odradek.metastore.memory import MemoryServer, MemoryStore
from tests.broker.frames import until
from tests.broker.running import Running, running
from tests.support.requests import request

ROUNDS = 40
HISTORY = 40
"""Events the metadata store remembers: fewer than a few rounds make."""
SESSIONS = 3
SLACK = 15
"""Objects of one type that may come or go: what the last round has not ended, and a batch of offsets more or less."""
LAZY = ("Alarm", "TimerHandle")
"""Cancelled ones go when there are hundreds of them, or when they are due."""
PARTITIONS = 3
SUBSCRIPTION = b"\x00\x01\x00\x00\x00\x01\x00\x05churn\x00\x00\x00\x00"
GROUP = {"session_timeout": timedelta(seconds=10), "rebalance_timeout": timedelta(seconds=10)}


async def come_and_go(here: Running, number: int) -> None:
    """A connection with a topic, a fetch session, a long poll that it leaves, and a group; all but the session end."""
    client = await here.client()
    topic, group = f"churn-{number}", f"group-{number}"
    await here.topic(topic, PARTITIONS)
    for index in range(PARTITIONS):
        appended = here.partition(topic, index).append(bytearray(here.batch(b"value")))
        assert not isinstance(appended, asyncio.Future)
    await client.request(fetch(topic, 0))
    await join_commit_and_leave(client, topic, group)
    client.send(fetch(topic, 1, max_wait=timedelta(seconds=60))).add_done_callback(lambda future: future.exception())
    await until(lambda: any(each.has_fetch for each in here.broker.connections._open))
    here.clients.remove(client)
    await client.close()
    await here.clients[0].delete_topics([topic])
    await until(lambda: topic not in here.broker.cluster.image.topics)


def fetch(topic: str, offset: int, **values: Any) -> Any:
    """Begins a session."""
    partitions = [
        {"partition": index, "fetch_offset": offset, "partition_max_bytes": 1000} for index in range(PARTITIONS)
    ]
    topics = [{"topic": topic, "partitions": partitions}]
    begin = {"session_id": 0, "session_epoch": 0, "forgotten_topics_data": []}
    return request("fetch", 12, max_bytes=1 << 20, min_bytes=1, topics=topics, **begin, **values)


async def join_commit_and_leave(client: Any, topic: str, group: str) -> None:
    protocols = [{"name": "range", "metadata": SUBSCRIPTION}]
    joined = await client.request(
        request("join_group", 3, group_id=group, member_id="", protocol_type="consumer", protocols=protocols, **GROUP)
    )
    assert joined.error_code is ErrorCode.none
    member, generation = joined.member_id, joined.generation_id
    assignments = [{"member_id": member, "assignment": b"some"}]
    await client.request(
        request("sync_group", 2, group_id=group, generation_id=generation, member_id=member, assignments=assignments)
    )
    offsets = [{"partition_index": 0, "committed_offset": 1, "committed_leader_epoch": -1, "committed_metadata": ""}]
    await client.request(
        request(
            "offset_commit",
            7,
            group_id=group,
            generation_id_or_member_epoch=generation,
            member_id=member,
            topics=[{"name": topic, "partitions": offsets}],
        )
    )
    await client.request(request("leave_group", 2, group_id=group, member_id=member))
    deleted = await client.request(request("delete_groups", 1, groups_names=[group]))
    assert deleted.results[0].error_code is ErrorCode.none


def objects() -> Counter[str]:
    """What the collector sees, by type; of the broker alone and of what asyncio does for it."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        each.__name__ for each in kinds if str(each.__module__).startswith(("odradek", "asyncio", "_asyncio", "uuid"))
    )


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_topics_groups_sessions_and_connections_leave_nothing_behind(tmp_path: Path) -> None:
    async def state(here: Running) -> tuple[Counter[str], int]:
        broker = here.broker
        await until(lambda: len(broker.connections) == len(here.clients) == 1)
        await until(lambda: not any(each.name.startswith("churn") for each in tmp_path.iterdir()))
        return objects(), descriptors()

    async def script() -> None:
        config: dict[str, Any] = {"group_initial_rebalance_delay_ms": 0, "offsets_topic_num_partitions": 1}
        config["log_segment_delete_delay_ms"] = 0
        config["max_incremental_fetch_session_cache_slots"] = SESSIONS
        store = MemoryStore(MemoryServer(limits=Limits(history_events_max=HISTORY)))
        async with running(tmp_path, store=store, **config) as here:
            admin = await here.client()
            await until_coordinated(admin)
            for number in range(ROUNDS):
                await come_and_go(here, number)
            once, open_once = await state(here)
            for number in range(ROUNDS, 2 * ROUNDS):
                await come_and_go(here, number)
            twice, open_twice = await state(here)
            grown = {name: more for name, more in (twice - once).items() if more > SLACK and name not in LAZY}
            assert grown == {}
            assert open_twice <= open_once
            assert_let_go(here.broker)

    asyncio.run(script())


async def until_coordinated(client: Any) -> None:
    async with asyncio.timeout(20):
        while (await client.find_coordinator("group")).error_code is not ErrorCode.none:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def assert_let_go(broker: Broker) -> None:
    """What connections held is given back."""
    connections = broker.connections
    assert (connections.received.bytes, connections.unsent.bytes, len(connections.turns)) == (0, 0, 0)
    assert len(broker.fetch_sessions) <= SESSIONS
