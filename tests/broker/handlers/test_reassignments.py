"""Reassignments and brokers over the wire, with two brokers that share their metadata."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.cluster.results import NewTopic
from odradek.metastore.memory import MemoryServer, MemoryStore
from tests.broker.running import Running, running
from tests.cluster.clusters import until
from tests.cluster.test_moving import catch_up
from tests.support.requests import request
from tests.support.wire_client import WireClient

Script = Callable[[Running, Running, WireClient], Awaitable[None]]


def with_two_brokers(path: Path, script: Script) -> None:
    """Moves are not begun by themselves, and nobody catches up but when a test says so."""

    async def scenario() -> None:
        server = MemoryServer()
        calm: dict[str, Any] = {"odradek_balancing_paused": "true", "broker_session_timeout_ms": 500}
        async with running(path / "1", store=MemoryStore(server), node_id=1, **calm) as one:
            async with running(path / "2", store=MemoryStore(server), node_id=2, broker_rack="r", **calm) as two:
                for each in (one, two):
                    await each.broker.fetchers.stop()
                await script(one, two, await one.client())

    asyncio.run(scenario())


async def alter(client: WireClient, replicas: list[int] | None, **more: Any) -> Any:
    topics = [{"name": "t", "partitions": [{"partition_index": 0, "replicas": replicas}]}]
    response = await client.request(request("alter_partition_reassignments", 1, topics=topics, **more))
    return response.responses[0].partitions[0]


async def listed(client: WireClient, topics: Any = None) -> list[tuple[str, int, Any, Any, Any]]:
    response = await client.request(request("list_partition_reassignments", 0, topics=topics))
    return [
        (topic.name, each.partition_index, each.replicas, each.adding_replicas, each.removing_replicas)
        for topic in response.topics
        for each in topic.partitions
    ]


def test_a_reassignment_is_listed_until_it_is_done(tmp_path: Path) -> None:
    async def script(one: Running, two: Running, client: WireClient) -> None:
        cluster = one.broker.cluster
        await cluster.create_topics([NewTopic("t", assignments=[(0, (1,)), (1, (2,))])])
        assert (await alter(client, [2])).error_code is ErrorCode.none
        moving = [("t", 0, (2, 1), (2,), (1,))]
        assert await listed(client) == moving
        assert await listed(client, [{"name": "t", "partition_indexes": [0, 1, 7]}]) == moving
        assert await listed(client, [{"name": "t", "partition_indexes": [1]}, {"name": "no"}]) == []
        described = (await client.metadata(["t"])).topics[0].partitions[0]
        assert (described.replica_nodes, described.isr_nodes, described.leader_id) == ((2, 1), (1,), 1)
        await catch_up(cluster, 2)
        await until(cluster, lambda image: not image.reassigning)
        assert await listed(client) == []
        await one.broker.replicas.settled()
        assert [log.partition for log in one.broker.logs.logs.values()] == []
        await until(two.broker.cluster, lambda image: not image.reassigning)
        await two.broker.replicas.settled()
        assert two.partition("t", 0).leader_epoch == 1

    with_two_brokers(tmp_path, script)


def test_a_reassignment_is_cancelled_over_the_wire(tmp_path: Path) -> None:
    async def script(one: Running, two: Running, client: WireClient) -> None:
        await one.broker.cluster.create_topics([NewTopic("t", assignments=[(0, (1,))])])
        refused = await alter(client, [1, 2], allow_replication_factor_change=False)
        assert (refused.error_code, refused.error_message) == (
            ErrorCode.invalid_replication_factor, "The replication factor is changed from 1 to 2",
        )  # fmt: skip
        assert (await alter(client, [1, 2], allow_replication_factor_change=True)).error_code is ErrorCode.none
        assert len(await listed(client)) == 1
        assert (await alter(client, None)).error_code is ErrorCode.none
        assert await listed(client) == []

    with_two_brokers(tmp_path, script)


def test_fenced_brokers_are_told_where_they_are_asked_for_and_gone_when_unregistered(tmp_path: Path) -> None:
    async def described(client: WireClient, version: int, **more: Any) -> list[tuple[int, Any, Any]]:
        response = await client.request(request("describe_cluster", version, endpoint_type=1, **more))
        return [(each.broker_id, each.rack, getattr(each, "is_fenced", None)) for each in response.brokers]

    async def script(one: Running, two: Running, client: WireClient) -> None:
        both = [(1, None, False), (2, "r", False)]
        assert await described(client, 2, include_fenced_brokers=False) == both
        await two.broker.stop()
        await until(one.broker.cluster, lambda image: image.brokers[2].fenced)
        assert await described(client, 1) == [(1, None, None)]
        assert await described(client, 2, include_fenced_brokers=False) == both[:1]
        assert await described(client, 2, include_fenced_brokers=True) == [(1, None, False), (2, "r", True)]
        answer = await client.request(request("unregister_broker", 0, broker_id=2))
        assert answer.error_code is ErrorCode.none
        assert await described(client, 2, include_fenced_brokers=True) == both[:1]

    with_two_brokers(tmp_path, script)
