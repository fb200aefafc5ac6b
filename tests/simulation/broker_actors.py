"""Who else is about while a broker dies and comes back: faults, group members, committers, topics that come and go.

Each is a coroutine over `BrokerLives`; what it saw goes into the history or is asserted at once.
"""

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, encode_batch
from tests.support.history import CommitAcknowledged, CommitSent, CommittedRead, Trimmed
from tests.support.wire_client import WireClient, schema

if TYPE_CHECKING:
    from tests.simulation.broker_lives import BrokerLives

MEMBERS, ROUNDS, FAULTS, COMMITS, TOPICS = "members", 4, 4, 25, 3
PROTOCOLS = {"range": b""}
FREE_BYTES_MAX, REFUSED_WRITES_MAX = 20_000, 4
PASSING = "passing"
TIMESTAMP_MS = 1_700_000_000_000


async def cause_faults(lives: "BrokerLives", broker: str, client: str, logs: str) -> None:
    """Cut the network, reset connections, fill the disk, refuse writes, make them seem slow; each ends by itself."""
    chance, network, disk = lives.chance, lives.world.network, lives.machine.disk
    refused = disk.fail("pwritev", logs, times=0)
    for _ in range(FAULTS):
        await asyncio.sleep(chance.uniform(0.0, 1.5))
        kind = chance.choice(("partition", "one way", "reset", "full", "refused", "slow", "slow and refused"))
        if lives.broker is None or not lives.broker.is_serving:
            continue  # It need not start on a disk that is full.
        if kind == "full":
            disk.capacity_bytes = disk.used_bytes + chance.randint(0, FREE_BYTES_MAX)
        elif "slow" in kind or "refused" in kind:
            if "slow" in kind:
                lives.slow_down()
            if "refused" in kind:
                refused = disk.fail("pwritev", logs, error=errno.ENOSPC, times=chance.randint(1, REFUSED_WRITES_MAX))
        elif kind == "reset":
            network.reset_connections(broker, client)
        else:
            network.partition(*chance.choice(((broker, client), (client, broker))), both_ways=kind == "partition")
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        network.heal()
        disk.capacity_bytes = None
        refused.times = 0


async def commit_offsets(lives: "BrokerLives", topic: str) -> None:
    """One committer of a group of its own, whose offsets only rise."""
    group, place, offset = "committer", (topic, 0), 0

    async def commit(client: WireClient) -> bool:
        nonlocal offset
        while offset < COMMITS:
            lives.history.add(CommittedRead(group, place, await lives.committed(client, group, topic)))
            offset += 1
            lives.history.add(CommitSent(group, place, offset))
            if await client.commit_offset(group, topic, 0, offset) is ErrorCode.none:
                lives.history.add(CommitAcknowledged(group, place, offset))
            await asyncio.sleep(lives.chance.uniform(0.0, 0.2))
        return True

    await lives.until_done(commit)


async def be_a_member(lives: "BrokerLives", name: str) -> None:
    """Join, sync, heartbeat, leave, again and again: generations rise, whatever the broker goes through."""

    async def take_part(client: WireClient) -> bool:
        member_id = ""
        await lives.committed(client, MEMBERS, "")
        for _ in range(ROUNDS):
            known = lives.generation
            joined = await join(client, member_id)
            assert joined.generation_id >= known or lives.may_lose(known), (
                f"{name} joins generation {joined.generation_id}, after {known} was synced"
            )
            member_id = joined.member_id
            parts = {each.member_id: each.member_id.encode() for each in joined.members}
            synced = await client.sync_group(MEMBERS, joined.generation_id, member_id, parts, protocol="range")
            if synced.error_code is ErrorCode.none:
                assert synced.assignment == member_id.encode(), f"{name} got the assignment of another"
                lives.generation = max(lives.generation, joined.generation_id)
                await asyncio.sleep(lives.chance.uniform(0.0, 0.5))
                await client.heartbeat(MEMBERS, joined.generation_id, member_id)
            if lives.chance.random() < 0.3:
                await client.leave_group(MEMBERS, member_id)
                member_id = ""
        await client.leave_group(MEMBERS, member_id)
        return True

    await lives.until_done(take_part)


async def join(client: WireClient, member_id: str) -> Any:
    """The answer of a join that succeeded. Raises ConnectionError when there is no coordinator to be had."""
    for _ in range(10):
        joined = await client.join_group(
            MEMBERS, member_id, protocols=PROTOCOLS, session_timeout_ms=6000, rebalance_timeout_ms=2000
        )
        if joined.error_code is ErrorCode.none:
            return joined
        if joined.error_code is ErrorCode.member_id_required:
            member_id = joined.member_id
        elif joined.error_code is ErrorCode.unknown_member_id:
            member_id = ""
        else:
            break
    raise ConnectionError(joined.error_code.name)


async def come_and_go(lives: "BrokerLives") -> None:
    """A topic made, written, read and deleted under one name: each holds its own records and no others'."""
    for number in range(TOPICS):
        values = [f"{PASSING}-{number}-{each}" for each in range(3)]

        async def make(client: WireClient) -> bool:
            answer = (await client.create_topics({PASSING: 1})).topics[0].error_code
            return answer in (ErrorCode.none, ErrorCode.topic_already_exists)

        async def write(client: WireClient, values: list[str] = values) -> bool:
            data = encode_batch([Record(0, TIMESTAMP_MS, None, value.encode()) for value in values])
            return (await client.produce(PASSING, 0, data, timeout=3.0)).error_code is ErrorCode.none

        async def read(client: WireClient, values: list[str] = values) -> bool:
            found = [value for _, value in await lives.fetch(client, PASSING, 0, 0) or ()]
            assert set(found) <= set(values), f"instead of {values} the topic holds {found}"
            return True

        async def delete(client: WireClient) -> bool:
            answer = (await client.delete_topics([PASSING])).responses[0].error_code
            return answer in (ErrorCode.none, ErrorCode.unknown_topic_or_partition)

        for step in (make, write, read, delete):
            await lives.until_done(step)


async def delete_records(lives: "BrokerLives", topic: str, partition: int) -> None:
    """The oldest records of a partition go."""
    api = schema("delete_records", 2)

    async def delete(client: WireClient) -> bool:
        end = (await client.list_offset(topic, partition, -1)).offset
        offset = lives.chance.randint(0, max(end // 3, 0))
        lives.history.add(Trimmed((topic, partition), offset))
        part = api.DeleteRecordsPartition(partition_index=partition, offset=offset)
        topics = (api.DeleteRecordsTopic(name=topic, partitions=(part,)),)
        answer = await client.request(api.DeleteRecordsRequest(topics=topics, timeout=lives.request_timeout))
        return answer.topics[0].partitions[0].error_code is ErrorCode.none

    await asyncio.sleep(lives.chance.uniform(0.5, 2.0))
    await lives.until_done(delete)
