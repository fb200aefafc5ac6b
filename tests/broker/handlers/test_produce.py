"""Produce, to a whole broker."""

import asyncio
import dataclasses
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.host.posix import PosixFiles
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches
from tests.broker.frames import until
from tests.broker.running import Running, running
from tests.replication.images import partition_image
from tests.support.faulty_files import FaultyFiles
from tests.support.requests import request
from tests.support.wire_client import WireClient


def produce(
    version: int, topic: str | UUID, partitions: dict[int, bytes | None], *, acks: int = 1, timeout_ms: int = 30_000
) -> Any:
    data = [{"index": index, "records": records} for index, records in partitions.items()]
    key = {"topic_id": topic} if isinstance(topic, UUID) else {"name": topic}
    timeout = timedelta(milliseconds=timeout_ms)
    return request("produce", version, acks=acks, timeout=timeout, topic_data=[{**key, "partition_data": data}])


def values_in(here: Running, topic: str, index: int = 0) -> list[bytes | None]:
    """All values of a partition's log file, whose batches must be whole."""
    partition = here.partition(topic, index)
    path = Path(partition.log.directory) / f"{0:020}.log"
    content = path.read_bytes()
    return [
        record.value
        for position, header in batches(content)
        for record in decode_batch(content[position : position + header.size])
    ]


def test_every_version_appends_and_says_where(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            topic_id = await here.topic("topic")
            client = await here.client()
            for expected, version in enumerate(range(3, 14)):
                key = topic_id if version >= 13 else "topic"
                response = await client.request(produce(version, key, {0: here.batch(b"v%d" % version)}, acks=-1))
                (topic,) = response.responses
                (partition,) = topic.partition_responses
                assert (topic.topic_id if version >= 13 else topic.name) == key
                assert (partition.error_code, partition.base_offset) == (ErrorCode.none, expected)
                assert partition.log_append_time is None
                assert getattr(partition, "log_start_offset", 0) == 0
            assert values_in(here, "topic") == [b"v%d" % version for version in range(3, 14)]

    asyncio.run(script())


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_that_are_only_advertised_end_the_connection(tmp_path: Path, version: int) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            client = await here.client()
            assert client._transport is not None
            content = bytes((0, 0, 0, version, 0, 0, 0, 1, 255, 255)) + bytes(10)
            client._transport.write(len(content).to_bytes(4, "big") + content)
            await asyncio.wait_for(client.closed, 20)

    asyncio.run(script())


def test_several_partitions_are_answered_each_for_itself(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", 2)
            client = await here.client()
            partitions = {1: here.batch(), 7: here.batch(), 0: b"no batch at all", 3: None}
            response = await client.request(produce(9, "topic", partitions))
            answers = {each.index: each for each in response.responses[0].partition_responses}
            assert {index: each.error_code for index, each in answers.items()} == {
                1: ErrorCode.none,
                7: ErrorCode.unknown_topic_or_partition,
                0: ErrorCode.invalid_record,
                3: ErrorCode.unknown_topic_or_partition,
            }
            assert [answers[index].base_offset for index in (1, 7, 0)] == [0, -1, -1]

    asyncio.run(script())


def test_acks_0_stores_and_answers_nothing(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            for i in range(3):
                client.send_without_answer(produce(9, "topic", {0: here.batch(b"%d" % i)}, acks=0))
            assert (await client.list_offset("topic", 0)).offset == 3
            assert values_in(here, "topic") == [b"0", b"1", b"2"]

    asyncio.run(script())


def test_an_error_with_acks_0_ends_the_connection(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            client = await here.client()
            client.send_without_answer(produce(9, "nowhere", {0: here.batch()}, acks=0))
            await asyncio.wait_for(client.closed, 20)

    asyncio.run(script())


@pytest.mark.parametrize("version", [7, 9])
def test_what_the_disk_does_not_take_is_answered_so(tmp_path: Path, version: int) -> None:
    async def script() -> None:
        files = FaultyFiles()
        async with running(tmp_path, files=files) as here:
            await here.topic("topic")
            client = await here.client()
            health = here.broker.logs.health_of(here.partition("topic").log)
            for acks in (1, -1):
                files.write_short(20)
                for _ in range(2):  # The disk has no room; then it is known to have none.
                    response = await client.request(produce(version, "topic", {0: here.batch()}, acks=acks))
                    (partition,) = response.responses[0].partition_responses
                    assert partition.error_code is ErrorCode.kafka_storage_error
                await until(lambda: health.refusal is None)
            response = await client.request(produce(version, "topic", {0: here.batch(b"v")}))
            assert response.responses[0].partition_responses[0].base_offset == 0
            assert values_in(here, "topic") == [b"v"]

    asyncio.run(script())


@pytest.mark.parametrize("acks", [1, -1])
def test_with_flush_messages_only_what_is_on_stable_storage_is_acknowledged(tmp_path: Path, acks: int) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", flush_messages="1")
            client = await here.client()
            log = here.partition("topic").log
            answers = [client.send(produce(9, "topic", {0: here.batch()}, acks=acks)) for _ in range(20)]
            for i, answer in enumerate(answers):
                (partition,) = (await answer).responses[0].partition_responses
                assert (partition.error_code, partition.base_offset) == (ErrorCode.none, i)
                assert log.flushed_offset > i

    asyncio.run(script())


class StalledFiles(PosixFiles):
    """Syncing waits until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.may_sync = threading.Event()
        self.may_sync.set()

    def datasync(self, fd: int) -> None:  # type: ignore[override]
        assert self.may_sync.wait(20)
        super().datasync(fd)


def test_what_is_not_committed_in_time_is_answered_so_and_stays(tmp_path: Path) -> None:
    async def script() -> None:
        files = StalledFiles()
        async with running(tmp_path, files) as here:
            await here.topic("topic", flush_messages="1")
            client = await here.client()
            files.may_sync.clear()
            response = await client.request(produce(9, "topic", {0: here.batch(b"late")}, acks=-1, timeout_ms=50))
            (partition,) = response.responses[0].partition_responses
            assert (partition.error_code, partition.base_offset) == (ErrorCode.request_timed_out, 0)
            assert (await client.fetch("topic", 0, 0, max_wait_ms=0)).records == b""
            files.may_sync.set()
            assert decode_batch((await client.fetch("topic", 0, 0, max_wait_ms=20_000)).records)[0].value == b"late"

    asyncio.run(script())


def test_writes_through_a_thread_keep_the_order(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            health = here.broker.logs.health_of(here.partition("topic").log)
            answers = []
            for i in range(60):
                health.threaded = 10 <= i < 40
                answers.append(client.send(produce(9, "topic", {0: here.batch(b"%d" % i)}, acks=i % 2 * -2 + 1)))
                if i % 10 == 9:
                    await asyncio.wait(answers)
            offsets = [(await each).responses[0].partition_responses[0].base_offset for each in answers]
            assert offsets == list(range(60))
            assert values_in(here, "topic") == [b"%d" % i for i in range(60)]

    asyncio.run(script())


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_topic_with_a_codec_of_its_own_gets_batches_in_it_in_order(tmp_path: Path, codec: str) -> None:
    numbers = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", compression_type=codec)
            client = await here.client()
            requests = [
                produce(9, "topic", {0: here.batch(b"%d" % i * 100, codec=i % 5, producer_id=5, producer_epoch=0,
                                                   base_sequence=i)})
                for i in range(30)
            ]  # fmt: skip
            answers = [client.send(each) for each in requests]
            assert [(await each).responses[0].partition_responses[0].base_offset for each in answers] == list(range(30))
            assert values_in(here, "topic") == [b"%d" % i * 100 for i in range(30)]
            content = (Path(here.partition("topic").log.directory) / f"{0:020}.log").read_bytes()
            assert {header.compression for _, header in batches(content)} == {numbers[codec]}

    asyncio.run(script())


def test_a_compacted_topic_gets_batches_of_any_size_in_order(tmp_path: Path) -> None:
    """The records of large and of compressed ones are looked at in the executor."""

    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", cleanup_policy="compact")
            client = await here.client()
            sizes = [100, 30_000, 10, 50_000, 1]
            requests = [
                produce(9, "topic", {0: here.batch(b"%d" % (i % 10) * sizes[i % 5], codec=i % 3,
                                                   producer_id=5, producer_epoch=0, base_sequence=i)})
                for i in range(30)
            ]  # fmt: skip
            answers = [client.send(each) for each in requests]
            assert [(await each).responses[0].partition_responses[0].base_offset for each in answers] == list(range(30))

    asyncio.run(script())


@pytest.mark.parametrize("size", [10, 30_000])
@pytest.mark.parametrize("threaded", [False, True])
def test_each_batch_of_a_request_is_judged_for_itself(tmp_path: Path, size: int, threaded: bool) -> None:
    """Two batches for one partition, of which either one may be refused."""

    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", cleanup_policy="compact")
            here.broker.logs.health_of(here.partition("topic").log).threaded = threaded
            client = await here.client()
            good, keyless = (encode_batch([Record(0, here.now_ms(), key, b"v" * size)]) for key in (b"k", None))
            for first, second in [(good, keyless), (keyless, good)]:
                plain = produce(9, "topic", {0: first})
                (topic,) = plain.topic_data
                parts = (*topic.partition_data, *produce(9, "topic", {0: second}).topic_data[0].partition_data)
                twice = dataclasses.replace(plain, topic_data=(dataclasses.replace(topic, partition_data=parts),))
                answers = (await client.request(twice)).responses[0].partition_responses
                refused = [each.error_code is ErrorCode.invalid_record for each in answers]
                assert refused == [first is keyless, second is keyless]
                assert [len(each.record_errors) for each in answers] == [int(each) for each in refused]
            assert here.partition("topic").log.log_end_offset == 2

    asyncio.run(script())


@pytest.mark.parametrize("size", [10, 30_000])
def test_records_with_timestamps_out_of_range_are_named(tmp_path: Path, size: int) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            batch = encode_batch([Record(0, 2**50, b"k", b"v" * size)])
            (answer,) = (await client.request(produce(9, "topic", {0: batch}))).responses[0].partition_responses
            assert answer.error_code is ErrorCode.invalid_timestamp
            assert [each.batch_index for each in answer.record_errors] == [0]
            assert here.partition("topic").log.log_end_offset == 0

    asyncio.run(script())


def test_transactions_are_refused_for_good(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            plain = produce(9, "topic", {0: here.batch()})
            with_id = type(plain)(transactional_id="tx", acks=-1, timeout=plain.timeout, topic_data=plain.topic_data)
            marked = produce(9, "topic", {0: here.batch(is_transactional=True, producer_id=1, producer_epoch=0,
                                                        base_sequence=0)})  # fmt: skip
            for refused in (with_id, marked):
                (partition,) = (await client.request(refused)).responses[0].partition_responses
                assert partition.error_code is ErrorCode.transactional_id_authorization_failed
                assert not partition.error_code.retriable
            assert here.partition("topic").log.log_end_offset == 0

    asyncio.run(script())


def test_internal_topics_are_for_the_tools_alone(tmp_path: Path) -> None:
    async def error_of(client: WireClient, batch: bytes) -> ErrorCode:
        response = await client.request(produce(9, "__consumer_offsets", {0: batch}))
        return response.responses[0].partition_responses[0].error_code  # type: ignore[no-any-return]

    async def script() -> None:
        async with running(tmp_path, offsets_topic_num_partitions=1) as here:
            client, tool = await here.client(), await here.client("__admin_client")
            await client.find_coordinator("group")
            await until(lambda: not isinstance(here.broker.replicas.partition("__consumer_offsets", 0), ErrorCode))
            assert await error_of(client, here.batch()) is ErrorCode.invalid_topic_exception
            assert await error_of(tool, here.batch()) is ErrorCode.none

    asyncio.run(script())


def test_a_repeated_batch_is_answered_with_the_first_ones_offset(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            producer_id = (await client.init_producer_id()).producer_id
            for acks in (1, -1):
                batches_ = [here.batch(producer_id=producer_id, producer_epoch=0, base_sequence=i) for i in range(3)]
                answers = [client.send(produce(9, "topic", {0: each}, acks=acks)) for each in (*batches_, *batches_)]
                offsets = [(await each).responses[0].partition_responses[0].base_offset for each in answers]
                assert offsets == [0, 1, 2, 0, 1, 2]
            gap = here.batch(producer_id=producer_id, producer_epoch=0, base_sequence=9)
            (partition,) = (await client.request(produce(9, "topic", {0: gap}))).responses[0].partition_responses
            assert partition.error_code is ErrorCode.out_of_order_sequence_number

    asyncio.run(script())


def test_a_leader_that_may_have_been_replaced_does_not_end_a_producer_that_went_on_elsewhere(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            producer_id = (await client.init_producer_id()).producer_id
            partition = here.partition("topic", 0)
            partition.configure(partition_image(partition.leader_epoch, replicas=(1, 2), isr=(1, 2), mod_revision=99))
            partition._is_doubtful = lambda: True
            first, later = (
                here.batch(producer_id=producer_id, producer_epoch=0, base_sequence=sequence) for sequence in (0, 9)
            )
            await client.request(produce(9, "topic", {0: first}, acks=-1, timeout_ms=1))
            (answer,) = (
                (await client.request(produce(9, "topic", {0: later}, acks=-1))).responses[0].partition_responses
            )
            assert answer.error_code is ErrorCode.not_leader_or_follower

    asyncio.run(script())
