"""ListOffsets, OffsetForLeaderEpoch, DeleteRecords, InitProducerId, DescribeProducers, ApiVersions: every version."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.apis import APIS
from odradek.wire.record_codec import Record, encode_batch
from tests.broker.handlers.test_fetch import fill
from tests.broker.handlers.test_produce import produce
from tests.broker.running import Running, running
from tests.support.requests import request
from tests.support.wire_client import WireClient


async def filled(here: Running, topic: str, times_ms: list[int]) -> None:
    """One record per batch with these timestamps, counted from now."""
    await here.topic(topic)
    now_ms = here.now_ms()
    for time_ms in times_ms:
        here.partition(topic).append(bytearray(encode_batch([Record(0, now_ms + time_ms, b"k", b"v")])))


async def offset_of(client: WireClient, version: int, timestamp: int, **more: Any) -> Any:
    partition = {"partition_index": 0, "timestamp": timestamp}
    if version >= 4:
        partition["current_leader_epoch"] = more.pop("current_leader_epoch", -1)
    entity = request(
        "list_offsets", version, replica_id=-1, topics=[{"name": "topic", "partitions": [partition]}], **more
    )
    return (await client.request(entity)).topics[0].partitions[0]


def test_offsets_are_found_by_time_and_by_name(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await filled(here, "topic", [-300, -100, -200, 0])
            now_ms = here.now_ms()
            client = await here.client()
            here.partition("topic").log.advance_log_start(1)
            epoch = here.partition("topic").leader_epoch
            for version in range(1, 12):
                has_epoch = version >= 4
                latest, earliest = await offset_of(client, version, -1), await offset_of(client, version, -2)
                assert (latest.error_code, latest.offset, latest.timestamp) == (ErrorCode.none, 4, -1)
                assert (earliest.error_code, earliest.offset, earliest.timestamp) == (ErrorCode.none, 1, -1)
                by_time = await offset_of(client, version, now_ms - 10_000)
                assert (by_time.error_code, by_time.offset) == (ErrorCode.none, 1)
                nothing = await offset_of(client, version, now_ms + 10_000)
                assert (nothing.error_code, nothing.offset, nothing.timestamp) == (ErrorCode.none, -1, -1)
                if has_epoch:
                    assert (latest.leader_epoch, by_time.leader_epoch, nothing.leader_epoch) == (epoch, epoch, -1)

    asyncio.run(script())


@pytest.mark.parametrize(("timestamp", "first", "offset"), [(-3, 7, 3), (-4, 8, 0), (-5, 9, -1), (-6, 11, -1)])
def test_special_timestamps_exist_from_their_version_on(
    tmp_path: Path, timestamp: int, first: int, offset: int
) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await filled(here, "topic", [-300, -100, -200, 0])
            client = await here.client()
            for version in range(1, 12):
                found = await offset_of(client, version, timestamp)
                if version >= first:
                    assert (found.error_code, found.offset) == (ErrorCode.none, offset)
                else:
                    assert (found.error_code, found.offset) == (ErrorCode.unsupported_version, -1)
            assert (await offset_of(client, 11, -7)).error_code is ErrorCode.unsupported_version

    asyncio.run(script())


def test_an_offset_is_asked_for_in_the_leaders_epoch_and_once(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await filled(here, "topic", [0])
            client = await here.client()
            epoch = here.partition("topic").leader_epoch
            assert (await offset_of(client, 4, -1, current_leader_epoch=epoch)).offset == 1
            ahead = await offset_of(client, 4, -1, current_leader_epoch=epoch + 1)
            assert ahead.error_code is ErrorCode.unknown_leader_epoch
            twice = [{"partition_index": 0, "timestamp": time, "current_leader_epoch": -1} for time in (-1, -2)]
            entity = request("list_offsets", 4, replica_id=-1, topics=[{"name": "topic", "partitions": twice}])
            partitions = (await client.request(entity)).topics[0].partitions
            assert [each.error_code for each in partitions] == [ErrorCode.invalid_request] * 2

    asyncio.run(script())


def test_the_end_of_an_epoch_is_told(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await filled(here, "topic", [0, 0])
            client = await here.client()
            epoch = here.partition("topic").leader_epoch
            for version in range(2, 5):
                for current, asked, expected in (
                    (-1, epoch, (ErrorCode.none, epoch, 2)),
                    (epoch, epoch + 5, (ErrorCode.none, -1, -1)),
                    (epoch + 1, epoch, (ErrorCode.unknown_leader_epoch, -1, -1)),
                ):
                    partition = {"partition": 0, "current_leader_epoch": current, "leader_epoch": asked}
                    topics = [{"topic": "topic", "partitions": [partition]}]
                    response = await client.request(request("offset_for_leader_epoch", version, topics=topics))
                    (found,) = response.topics[0].partitions
                    assert (found.error_code, found.leader_epoch, found.end_offset) == expected

    asyncio.run(script())


async def delete(client: WireClient, version: int, topic: str, offset: int) -> tuple[ErrorCode, int]:
    partitions = [{"partition_index": 0, "offset": offset}]
    response = await client.request(
        request("delete_records", version, topics=[{"name": topic, "partitions": partitions}])
    )
    (found,) = response.topics[0].partitions
    return found.error_code, found.low_watermark


def test_records_are_deleted_up_to_an_offset(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await filled(here, "topic", [0] * 6)
            await here.topic("compacted", cleanup_policy="compact")
            client = await here.client()
            for version in range(3):
                assert await delete(client, version, "topic", version + 1) == (ErrorCode.none, version + 1)
                fetched = await client.fetch("topic", 0, version)
                assert fetched.error_code is ErrorCode.offset_out_of_range
            assert await delete(client, 2, "topic", 1) == (ErrorCode.none, 3)
            assert await delete(client, 2, "topic", 7) == (ErrorCode.offset_out_of_range, -1)
            assert await delete(client, 2, "topic", -2) == (ErrorCode.offset_out_of_range, -1)
            assert await delete(client, 2, "topic", -1) == (ErrorCode.none, 6)
            assert await delete(client, 2, "compacted", -1) == (ErrorCode.policy_violation, -1)
            assert await delete(client, 2, "nowhere", -1) == (ErrorCode.unknown_topic_or_partition, -1)

    asyncio.run(script())


def test_a_reader_learns_that_its_records_were_deleted(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            await fill(here, "topic", 0, [b"a", b"b"])
            client = await here.client()
            assert await delete(client, 2, "topic", 2) == (ErrorCode.none, 2)
            assert (await client.fetch("topic", 0, 1, max_wait_ms=600_000)).error_code is ErrorCode.offset_out_of_range

    asyncio.run(script())


def test_producer_ids_are_never_given_twice(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            client = await here.client()
            seen = set()
            for version in range(6):
                response = await client.request(request("init_producer_id", version, transactional_id=None))
                assert (response.error_code, response.producer_epoch) == (ErrorCode.none, 0)
                seen.add(response.producer_id)
            known = request(
                "init_producer_id", 4, transactional_id=None, producer_id=next(iter(seen)), producer_epoch=3
            )
            again = await client.request(known)
            assert (again.error_code, again.producer_epoch) == (ErrorCode.none, 0)
            assert len(seen | {again.producer_id}) == 7
            half = request("init_producer_id", 4, transactional_id=None, producer_id=5, producer_epoch=-1)
            assert (await client.request(half)).error_code is ErrorCode.invalid_request
            for version in range(6):
                response = await client.request(request("init_producer_id", version, transactional_id="tx"))
                assert response.error_code is ErrorCode.transactional_id_authorization_failed
                assert (response.producer_id, response.producer_epoch) == (-1, -1)

    asyncio.run(script())


def test_producers_are_described(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            for sequence in (0, 2):
                batch = here.batch(b"a", b"b", producer_id=9, producer_epoch=3, base_sequence=sequence)
                await client.request(produce(9, "topic", {0: batch}))
            topics = [{"name": name, "partition_indexes": [0]} for name in ("topic", "nowhere", "bad name")]
            response = await client.request(request("describe_producers", 0, topics=topics))
            found, missing, bad = (each.partitions[0] for each in response.topics)
            (producer,) = found.active_producers
            assert (producer.producer_id, producer.producer_epoch, producer.last_sequence) == (9, 3, 3)
            assert producer.current_txn_start_offset == -1
            assert here.now_ms() - 60_000 < producer.last_timestamp <= here.now_ms()
            assert missing.error_code is ErrorCode.unknown_topic_or_partition
            assert bad.error_code is ErrorCode.invalid_topic_exception

    asyncio.run(script())


def test_every_api_is_told_in_every_version(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            client = await here.client()
            for version in range(5):
                names = {"client_software_name": "client-1.0", "client_software_version": "2"} if version >= 3 else {}
                response = await client.request(request("api_versions", version, **names))
                assert response.error_code is ErrorCode.none
                told = [(each.api_key, each.min_version, each.max_version) for each in response.api_keys]
                assert told == [(api.key, api.min_version, api.max_version) for api in APIS]
            assert {each.client_software_name for each in here.broker.connections._open} == {"client-1.0"}

    asyncio.run(script())


@pytest.mark.parametrize("name", ["", "-", "a b", "name-", ".name", "näme"])
def test_a_software_name_has_to_look_like_one(tmp_path: Path, name: str) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            client = await here.client()
            for names in ((name, "1"), ("client", name)):
                entity = request("api_versions", 4, client_software_name=names[0], client_software_version=names[1])
                response = await client.request(entity)
                assert (response.error_code, response.api_keys) == (ErrorCode.invalid_request, ())

    asyncio.run(script())


def test_a_version_of_the_future_is_answered_in_the_oldest(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.broker.listeners[0].port)
            content = bytes((0, 18, 0, 99, 0, 0, 0, 42, 255, 255)) + b"\x00whatever the future holds"
            writer.write(len(content).to_bytes(4, "big") + content)
            async with asyncio.timeout(20):
                size = int.from_bytes(await reader.readexactly(4), "big")
                frame = await reader.readexactly(size)
            assert frame.hex(" ", 2) == "0000 002a 0023 0000 0001 0012 0000 0004"
            writer.close()
            await writer.wait_closed()

    asyncio.run(script())


@pytest.mark.parametrize(("api_key", "version"), [(1, 3), (1, 19), (3, 14), (24, 0), (999, 0), (-1, 0)])
def test_what_is_not_advertised_ends_the_connection(tmp_path: Path, api_key: int, version: int) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            reader, writer = await asyncio.open_connection("127.0.0.1", here.broker.listeners[0].port)
            header = api_key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big")
            content = header + bytes((0, 0, 0, 42, 255, 255)) + bytes(20)
            writer.write(len(content).to_bytes(4, "big") + content)
            async with asyncio.timeout(20):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    asyncio.run(script())
