"""What a broker holds is told where there are others, when it has changed enough."""

import asyncio
from pathlib import Path
from typing import Any

from odradek.broker.load_report import LARGEST, is_news, load_of
from odradek.cluster.records import LoadRecord
from odradek.host.files import SpaceStat
from odradek.metastore.memory import MemoryServer, MemoryStore
from tests.broker.running import running
from tests.cluster.clusters import until


def test_the_largest_replicas_are_told_by_themselves() -> None:
    sizes = [(size, "id", size) for size in range(LARGEST + 10)]
    load = load_of({SpaceStat(100, 40), SpaceStat(50, 5)}, sizes)
    assert (load.disk_total_bytes, load.disk_free_bytes) == (150, 45)
    assert (load.replicas, load.replica_bytes) == (len(sizes), sum(size for size, _, _ in sizes))
    assert [size for _, _, size in load.largest] == sorted((size for size, _, _ in sizes), reverse=True)[:LARGEST]
    assert load_of((), [(0, "id", 1)]).largest == ()


def test_only_what_could_change_a_plan_is_news() -> None:
    told = LoadRecord(1000, 500, 100, 100)
    assert not is_news(told, LoadRecord(1000, 480, 104, 100))
    assert is_news(told, LoadRecord(1000, 450, 100, 100))
    assert is_news(told, LoadRecord(1000, 500, 110, 100))
    assert is_news(told, LoadRecord(1000, 500, 100, 106))
    assert is_news(LoadRecord(1000, 500, 0, 0), LoadRecord(1000, 500, 0, 1))


def test_a_broker_alone_says_nothing_and_two_say_what_they_hold(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = MemoryServer()
        often: dict[str, Any] = {"leader_imbalance_check_interval_seconds": 1, "odradek_balancing_paused": True}
        async with running(tmp_path / "1", store=MemoryStore(server), node_id=1, **often) as one:
            await one.topic("t", 2)
            assert one.broker.cluster.image.loads == {}
            one.partition("t").append(bytearray(one.batch(b"x" * 5000)))
            async with running(tmp_path / "2", store=MemoryStore(server), node_id=2, **often):
                image = await until(one.broker.cluster, lambda image: {1, 2} <= image.loads.keys())
                assert (image.loads[1].replicas, len(image.loads[1].largest)) == (2, 1)
                assert image.loads[1].replica_bytes > 5000
                assert image.loads[1].disk_total_bytes > 0
                one.partition("t", 1).append(bytearray(one.batch(b"x" * 9000)))
                await until(one.broker.cluster, lambda image: image.loads[1].replica_bytes > 14_000)

    asyncio.run(scenario())
