"""Consumers that read from the replica in their own rack, over the wire (KIP-392)."""

from datetime import timedelta
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.config.broker_in_sync import RACK_AWARE_SELECTOR
from odradek.simulation import Process
from odradek.wire.record_codec import decode_batch
from tests.simulation.replicated import BROKERS, PORT, TOPIC, Replicated, host_of
from tests.support.requests import request
from tests.support.wire_client import WireClient


def cluster(seed: int, **config: Any) -> Replicated:
    """Each broker in a rack of its own."""
    return Replicated(seed, **{"replica.fetch.wait.max.ms": 5_000, **config})


async def fetch(broker_id: int, offset: int, rack: str, max_wait_ms: int = 0) -> Any:
    async with await WireClient.connect(host_of(broker_id), PORT) as client:
        partitions = [{"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}]
        topics = [{"topic": TOPIC, "partitions": partitions}]
        asked = request(
            "fetch", 12, replica_id=-1, max_wait=timedelta(milliseconds=max_wait_ms), min_bytes=1, max_bytes=1 << 20,
            session_id=0, session_epoch=-1, topics=topics, rack_id=rack,
        )  # fmt: skip
        response = await client.request(asked, timeout=60)
        return response.responses[0].partitions[0]


def values_in(records: bytes) -> list[bytes | None]:
    return [record.value for record in decode_batch(records)]


@pytest.mark.parametrize("seed", range(6))
def test_the_leader_names_the_replica_of_the_consumers_rack_which_serves_what_is_committed(seed: int) -> None:
    brokers = cluster(seed, **{"replica.selector.class": RACK_AWARE_SELECTOR})

    async def scenario(process: Process) -> None:
        await brokers.create(min_insync_replicas="2")
        await brokers.produce("one")
        leader = await brokers.leader_of()
        near = next(each for each in BROKERS if each != leader)
        found = await fetch(leader, 0, host_of(near))
        assert (found.error_code, found.preferred_read_replica, found.records) == (ErrorCode.none, near, b"")
        assert values_in((await fetch(leader, 0, host_of(leader))).records) == [b"one"]
        assert values_in((await fetch(near, 0, host_of(near), 2_000)).records) == [b"one"]
        began = process.loop.time()
        waiting = process.loop.create_task(fetch(near, 1, host_of(near), 30_000))
        await brokers.produce("two")
        assert values_in((await waiting).records) == [b"two"]
        assert process.loop.time() - began < 3, "the follower learnt at once, in virtual seconds, what was committed"

    brokers.run(scenario)


def test_without_a_selector_the_leader_serves_everybody() -> None:
    brokers = cluster(3)

    async def scenario(_: Process) -> None:
        await brokers.create()
        await brokers.produce("one")
        leader = await brokers.leader_of()
        found = await fetch(leader, 0, host_of(next(each for each in BROKERS if each != leader)))
        assert (found.preferred_read_replica, values_in(found.records)) == (-1, [b"one"])

    brokers.run(scenario)
