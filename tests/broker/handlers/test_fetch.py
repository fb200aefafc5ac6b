"""Fetch, from a whole broker."""

import asyncio
import errno
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from kio.schema.errors import ErrorCode

from odradek.config.broker_in_sync import RACK_AWARE_SELECTOR
from odradek.host.posix import PosixFiles
from odradek.wire.record_codec import decode_batch
from odradek.wire.records import batches
from tests.broker.frames import until
from tests.broker.running import Running, running
from tests.replication.images import partition_image
from tests.support.requests import request


def fetch(
    version: int, topic: str | UUID, offsets: dict[int, int], *, max_wait_ms: int = 0, min_bytes: int = 1,
    max_bytes: int = 50 << 20, partition_max_bytes: int = 1 << 20, session: tuple[int, int] | None = None, **more: Any,
) -> Any:  # fmt: skip
    key = {"topic_id": topic} if isinstance(topic, UUID) else {"topic": topic}
    partitions = [
        {"partition": index, "fetch_offset": offset, "partition_max_bytes": partition_max_bytes, **more}
        for index, offset in offsets.items()
    ]
    values: dict[str, Any] = {"replica_id": -1} if version < 15 else {}
    if version >= 7:
        values |= dict(zip(("session_id", "session_epoch"), session or (0, -1), strict=True))
    return request(
        "fetch", version, max_wait=timedelta(milliseconds=max_wait_ms), min_bytes=min_bytes, max_bytes=max_bytes,
        topics=[{**key, "partitions": partitions}] if offsets else [], **values,
    )  # fmt: skip


def partitions_of(response: Any) -> dict[int, Any]:
    return {each.partition_index: each for topic in response.responses for each in topic.partitions}


def values_in(records: bytes) -> list[bytes | None]:
    """Of the whole batches; a cut one may follow."""
    return [
        record.value
        for position, header in batches(records)
        for record in decode_batch(records[position : position + header.size])
    ]


async def fill(here: Running, topic: str, index: int, values: Sequence[bytes]) -> None:
    for value in values:
        appended = here.partition(topic, index).append(bytearray(here.batch(value)))
        result = await appended if isinstance(appended, asyncio.Future) else appended  # A slow disk writes in threads.
        assert result.error is ErrorCode.none


def test_every_version_reads(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            topic_id = await here.topic("topic")
            await fill(here, "topic", 0, [b"a", b"b", b"c"])
            client = await here.client()
            for version in range(4, 19):
                key = topic_id if version >= 13 else "topic"
                response = await client.request(fetch(version, key, {0: 1}))
                (partition,) = response.responses[0].partitions
                assert partition.error_code is ErrorCode.none
                assert values_in(partition.records) == [b"b", b"c"]
                assert (partition.high_watermark, partition.last_stable_offset) == (3, 3)
                assert partition.aborted_transactions is None
                assert getattr(partition, "log_start_offset", 0) == 0
                assert getattr(partition, "preferred_read_replica", -1) == -1

    asyncio.run(script())


def test_a_reader_of_committed_records_learns_that_none_were_aborted(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            await fill(here, "topic", 0, [b"a"])
            client = await here.client()
            entity = fetch(11, "topic", {0: 0})
            committed = replace(entity, isolation_level=1)
            (partition,) = (await client.request(committed)).responses[0].partitions
            assert values_in(partition.records) == [b"a"]
            assert partition.aborted_transactions == ()

    asyncio.run(script())


def test_a_long_poll_ends_with_the_append(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", 3)
            client = await here.client()
            answer = client.send(fetch(12, "topic", {0: 0, 1: 0, 2: 0}, max_wait_ms=600_000))
            await until(lambda: here.partition("topic", 2)._fetches)
            assert not answer.done()
            await fill(here, "topic", 1, [b"news"])
            partitions = partitions_of(await asyncio.wait_for(answer, 20))
            assert [values_in(partitions[index].records) for index in range(3)] == [[], [b"news"], []]
            assert not any(here.partition("topic", index)._fetches for index in range(3))

    asyncio.run(script())


def test_a_long_poll_ends_empty_when_nothing_comes(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            (partition,) = (await client.request(fetch(12, "topic", {0: 0}, max_wait_ms=30))).responses[0].partitions
            assert (partition.error_code, partition.records) == (ErrorCode.none, b"")

    asyncio.run(script())


def test_a_long_poll_waits_for_as_many_bytes_as_it_asked_for(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", 2)
            client, other = await here.client(), await here.client()
            size = len(here.batch(b"x" * 1000))
            await fill(here, "topic", 0, [b"x" * 1000])
            answer = client.send(fetch(12, "topic", {0: 0, 1: 0}, max_wait_ms=600_000, min_bytes=3 * size))
            await until(lambda: here.partition("topic", 1)._fetches)
            await fill(here, "topic", 1, [b"y" * 1000])
            assert (await other.list_offset("topic", 1)).offset == 1
            assert not answer.done()
            await fill(here, "topic", 0, [b"z" * 1000])
            partitions = partitions_of(await asyncio.wait_for(answer, 20))
            assert values_in(partitions[0].records) == [b"x" * 1000, b"z" * 1000]
            assert values_in(partitions[1].records) == [b"y" * 1000]

    asyncio.run(script())


def test_a_long_poll_ends_when_the_topic_goes(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client, admin = await here.client(), await here.client()
            answer = client.send(fetch(12, "topic", {0: 0}, max_wait_ms=600_000))
            await until(lambda: here.partition("topic")._fetches)
            await admin.delete_topics(["topic"])
            (partition,) = (await asyncio.wait_for(answer, 20)).responses[0].partitions
            assert partition.error_code is ErrorCode.unknown_topic_or_partition

    asyncio.run(script())


def test_a_client_that_leaves_its_long_poll_leaves_nothing_behind(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            answer = client.send(fetch(12, "topic", {0: 0}, max_wait_ms=600_000))
            await until(lambda: here.partition("topic")._fetches)
            await client.close()
            with pytest.raises(ConnectionError):
                await answer
            await until(lambda: not here.partition("topic")._fetches)
            await fill(here, "topic", 0, [b"unseen"])

    asyncio.run(script())


def test_the_first_batch_comes_whole_whatever_the_limits(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", 2)
            client = await here.client()
            for index in range(2):
                await fill(here, "topic", index, [b"x" * 5000, b"y" * 10])
            for most, most_each in ((1, 1 << 20), (1 << 20, 1), (0, 0)):
                response = await client.request(
                    fetch(12, "topic", {0: 0, 1: 0}, max_bytes=most, partition_max_bytes=most_each)
                )
                partitions = partitions_of(response)
                assert values_in(partitions[0].records) == [b"x" * 5000]
                assert partitions[1].records == b""

    asyncio.run(script())


def test_no_more_is_read_than_asked_for_and_no_batch_is_cut(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            await fill(here, "topic", 0, [b"%04d" % i * 250 for i in range(50)])
            offset, seen = 0, []
            while offset < 50:
                response = await client.request(fetch(12, "topic", {0: offset}, partition_max_bytes=7777))
                (partition,) = response.responses[0].partitions
                assert len(partition.records) <= 7777
                found = list(batches(partition.records))
                assert sum(header.size for _, header in found) == len(partition.records)
                seen += values_in(partition.records)
                offset = found[-1][1].last_offset + 1
            assert seen == [b"%04d" % i * 250 for i in range(50)]

    asyncio.run(script())


@pytest.mark.parametrize(
    ("version", "asked", "error"),
    [
        (12, {"offset": 4}, ErrorCode.offset_out_of_range),
        (12, {"offset": -1}, ErrorCode.offset_out_of_range),
        (12, {"current_leader_epoch": 1000}, ErrorCode.unknown_leader_epoch),
        (12, {"index": 9}, ErrorCode.unknown_topic_or_partition),
        (12, {"topic": "nowhere"}, ErrorCode.unknown_topic_or_partition),
        (13, {"topic": UUID(int=5)}, ErrorCode.unknown_topic_id),
        (18, {"topic": UUID(int=5)}, ErrorCode.unknown_topic_id),
    ],
)
def test_what_cannot_be_read_is_answered_with_its_error(
    tmp_path: Path, version: int, asked: dict[str, Any], error: ErrorCode
) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            topic_id = await here.topic("topic")
            await fill(here, "topic", 0, [b"a", b"b", b"c"])
            client = await here.client()
            topic = asked.pop("topic", topic_id if version >= 13 else "topic")
            index, offset = asked.pop("index", 0), asked.pop("offset", 0)
            response = await client.request(fetch(version, topic, {index: offset}, max_wait_ms=20, **asked))
            (partition,) = response.responses[0].partitions
            assert (partition.error_code, partition.records) == (error, b"")
            assert (partition.high_watermark, partition.last_stable_offset, partition.log_start_offset) == (-1, -1, -1)

    asyncio.run(script())


def test_followers_are_refused_while_there_are_none(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            client = await here.client()
            entity = fetch(12, "topic", {0: 0})
            (partition,) = (await client.request(replace(entity, replica_id=7))).responses[0].partitions
            assert partition.error_code is ErrorCode.not_leader_or_follower

    asyncio.run(script())


@pytest.mark.parametrize("asked", [{"offset": 3}, {"offset": -1}, {"offset": 3, "last_fetched_epoch": 0}])
def test_a_follower_sends_whoever_takes_it_for_the_leader_away_where_it_does_not_have_what_is_asked_for(
    tmp_path: Path, asked: dict[str, Any]
) -> None:
    """It may be behind: a consumer that hears "out of range" would begin anew elsewhere."""

    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            await fill(here, "topic", 0, [b"a", b"b"])
            partition = here.partition("topic")
            partition.follow(partition_image(partition.leader_epoch + 1, leader=2, replicas=(1, 2), isr=(2,)))
            client = await here.client()
            answer = await client.request(fetch(12, "topic", {0: 1}))
            assert values_in(answer.responses[0].partitions[0].records) == [b"b"]
            offset = asked.pop("offset")
            answer = await client.request(fetch(12, "topic", {0: offset}, **asked))
            (found,) = answer.responses[0].partitions
            assert found.error_code is ErrorCode.not_leader_or_follower
            assert found.diverging_epoch.epoch == -1

    asyncio.run(script())


def test_a_consumer_of_a_rack_is_told_by_a_follower_what_is_out_of_its_range(tmp_path: Path) -> None:
    """Its leader named that replica to it: it goes back to the leader then (KIP-392)."""

    async def script() -> None:
        async with running(tmp_path, replica_selector_class=RACK_AWARE_SELECTOR) as here:
            await here.topic("topic")
            partition = here.partition("topic")
            partition.follow(partition_image(partition.leader_epoch + 1, leader=2, replicas=(1, 2), isr=(2,)))
            client = await here.client()
            answer = await client.request(replace(fetch(12, "topic", {0: 3}), rack_id="a"))
            assert answer.responses[0].partitions[0].error_code is ErrorCode.offset_out_of_range

    asyncio.run(script())


def test_a_leader_that_may_be_replaced_sends_away_who_has_read_on_elsewhere(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            partition = here.partition("topic")
            partition.configure(partition_image(partition.leader_epoch, replicas=(1, 2), isr=(1, 2)))
            client = await here.client()
            answer = await client.request(fetch(12, "topic", {0: 3}))
            assert answer.responses[0].partitions[0].error_code is ErrorCode.offset_out_of_range
            partition._is_doubtful = lambda: True
            answer = await client.request(fetch(12, "topic", {0: 3}))
            assert answer.responses[0].partitions[0].error_code is ErrorCode.not_leader_or_follower

    asyncio.run(script())


def test_a_reader_whose_records_diverge_is_told_where(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic")
            await fill(here, "topic", 0, [b"a", b"b"])
            client = await here.client()
            epoch = here.partition("topic").leader_epoch
            response = await client.request(fetch(12, "topic", {0: 5}, last_fetched_epoch=epoch))
            (partition,) = response.responses[0].partitions
            assert (partition.error_code, partition.records) == (ErrorCode.none, b"")
            assert (partition.diverging_epoch.epoch, partition.diverging_epoch.end_offset) == (epoch, 2)
            response = await client.request(fetch(12, "topic", {0: 1}, last_fetched_epoch=epoch))
            assert values_in(response.responses[0].partitions[0].records) == [b"b"]
            response = await client.request(fetch(12, "topic", {0: 1}, last_fetched_epoch=epoch + 1))
            assert response.responses[0].partitions[0].error_code is ErrorCode.offset_out_of_range

    asyncio.run(script())


def test_a_session_sends_changes_alone(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            topic_id = await here.topic("topic", 3)
            client = await here.client()
            first = await client.request(fetch(13, topic_id, {0: 0, 1: 0, 2: 0}, session=(0, 0)))
            assert len(partitions_of(first)) == 3
            session = first.session_id
            assert session > 0
            quiet = await client.request(fetch(13, topic_id, {}, session=(session, 1)))
            assert (quiet.session_id, quiet.responses) == (session, ())
            await fill(here, "topic", 1, [b"news"])
            news = partitions_of(await client.request(fetch(13, topic_id, {}, session=(session, 2))))
            assert list(news) == [1]
            assert values_in(news[1].records) == [b"news"]
            wrong = await client.request(fetch(13, topic_id, {}, session=(session, 2)))
            assert (wrong.error_code, wrong.session_id) == (ErrorCode.invalid_fetch_session_epoch, 0)

    asyncio.run(script())


def test_a_session_notices_that_its_topic_was_made_again(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            topic_id = await here.topic("topic")
            client = await here.client()
            session = (await client.request(fetch(13, topic_id, {0: 0}, session=(0, 0)))).session_id
            await client.request(fetch(13, topic_id, {}, session=(session, 1)))
            await client.delete_topics(["topic"])
            await until(lambda: "topic" not in here.broker.cluster.image.topics)
            gone = partitions_of(await client.request(fetch(13, topic_id, {}, session=(session, 2))))
            assert gone[0].error_code is ErrorCode.unknown_topic_or_partition
            await here.topic("topic")
            again = partitions_of(await client.request(fetch(13, topic_id, {}, session=(session, 3))))
            assert again[0].error_code is ErrorCode.inconsistent_topic_id

    asyncio.run(script())


class ColdFiles(PosixFiles):
    """Reads that must not wait find pages missing, as the dice fall; files of `broken_fds` cannot be read."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.is_cold = False
        self.broken_fds: set[int] = set()

    def preadv(self, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:  # type: ignore[override]
        if fd in self.broken_fds:
            raise OSError(errno.EIO, "Input/output error")
        if self.is_cold and flags:
            if self.random.random() < 0.4:
                raise OSError(self.random.choice((errno.EAGAIN, errno.EOPNOTSUPP)), "not without waiting")
            (buffer,) = buffers
            return PosixFiles.preadv(fd, [memoryview(buffer)[: self.random.randint(1, len(buffer))]], offset, flags)
        return PosixFiles.preadv(fd, buffers, offset, flags)


@pytest.mark.parametrize("seed", range(4))
def test_cold_pages_change_nothing_in_what_is_read(tmp_path: Path, seed: int) -> None:
    async def script() -> None:
        files = ColdFiles(seed)
        async with running(tmp_path, files) as here:
            await here.topic("topic", 2)
            expected = [b"%04d" % i * 2500 for i in range(200)]
            for index in range(2):
                await fill(here, "topic", index, expected)
            client = await here.client()
            for offset in (0, 57, 123):
                for is_cold in (True, False):
                    here.partition("topic", 0).log.reads = None
                    files.is_cold = is_cold
                    response = await client.request(
                        fetch(12, "topic", {0: offset, 1: offset}, partition_max_bytes=3 << 20)
                    )
                    for partition in partitions_of(response).values():
                        assert values_in(partition.records) == expected[offset:]
            files.is_cold = False

    asyncio.run(script())


def test_a_partition_that_cannot_be_read_fails_alone(tmp_path: Path) -> None:
    async def script() -> None:
        files = ColdFiles(0)
        async with running(tmp_path, files) as here:
            await here.topic("topic", 2)
            for index in range(2):
                await fill(here, "topic", index, [b"a" * 20_000])
            client = await here.client()
            files.broken_fds.add(here.partition("topic", 0).log.active.open_log().fd)
            partitions = partitions_of(await client.request(fetch(12, "topic", {0: 0, 1: 0})))
            assert (partitions[0].error_code, partitions[0].records) == (ErrorCode.kafka_storage_error, b"")
            assert values_in(partitions[1].records) == [b"a" * 20_000]
            files.broken_fds.clear()

    asyncio.run(script())


def test_many_megabytes_are_read_whole(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", 4)
            value = random.Random(1).randbytes(900_000)
            for index in range(4):
                await fill(here, "topic", index, [value] * 5)
            client = await here.client()
            response = await client.request(
                fetch(12, "topic", dict.fromkeys(range(4), 0), partition_max_bytes=10 << 20)
            )
            for partition in partitions_of(response).values():
                assert values_in(partition.records) == [value] * 5
            await client.request(request("metadata", 9, topics=[]))
            await until(lambda: here.broker.connections.pool.lent_bytes < 2 << 20)

    asyncio.run(script())


SHORT = 1 << 20
"""Of odradek.queued.max.response.bytes."""


@pytest.mark.parametrize(("held", "batches_read"), [(0, 3), (3, 1), (5, 0)])
def test_less_is_read_while_clients_do_not_take_what_they_asked_for(
    tmp_path: Path, held: int, batches_read: int
) -> None:
    async def script() -> None:
        async with running(tmp_path, odradek_queued_max_response_bytes=SHORT) as here:
            await here.topic("topic")
            client = await here.client()
            waiting = asyncio.ensure_future(client.request(fetch(12, "topic", {0: 0}, max_wait_ms=30_000, min_bytes=1)))
            await until(lambda: any(each.has_fetch for each in here.broker.connections._open))
            buffers = [here.broker.connections.pool.take(SHORT // 4) for _ in range(held)]
            await fill(here, "topic", 0, [b"a", b"b", b"c"])
            (partition,) = partitions_of(await waiting).values()
            assert len(values_in(partition.records or b"")) == batches_read
            for buffer in buffers:
                here.broker.connections.pool.give(buffer)
            (partition,) = partitions_of(await client.request(fetch(12, "topic", {0: 0}))).values()
            assert len(values_in(partition.records)) == 3

    asyncio.run(script())


def test_a_session_looks_at_the_partitions_that_have_something(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            topic_id = await here.topic("topic", 50)
            client = await here.client()
            session_id = (
                await client.request(fetch(13, topic_id, dict.fromkeys(range(50), 0), session=(0, 0)))
            ).session_id
            session = here.broker.fetch_sessions._sessions[session_id]
            response = await client.request(fetch(13, topic_id, {}, session=(session_id, 1)))
            assert (response.responses, list(session.active)) == ((), [])
            news: dict[int, int] = {}
            for epoch, index in ((2, 17), (3, 4)):
                poll = fetch(13, topic_id, news, session=(session_id, epoch), max_wait_ms=30_000)
                waiting = asyncio.ensure_future(client.request(poll))
                await until(lambda: session.waiting is not None)
                await fill(here, "topic", index, [b"value"])
                answered = partitions_of(await waiting)
                assert {each: values_in(answered[each].records) for each in answered} == {index: [b"value"]}
                assert [each for _, each in session.active] == [index]
                news = {index: 1}

    asyncio.run(script())


def test_a_long_poll_of_quiet_partitions_ends_when_one_has_another_leader_or_is_gone(tmp_path: Path) -> None:
    async def script() -> None:
        async with running(tmp_path) as here:
            await here.topic("topic", 3)
            client, other = await here.client(), await here.client()
            epoch = here.partition("topic").leader_epoch
            offsets = dict.fromkeys(range(3), 0)
            full = fetch(12, "topic", offsets, session=(0, 0), current_leader_epoch=epoch)
            session_id = (await client.request(full)).session_id
            session = here.broker.fetch_sessions._sessions[session_id]
            waiting = asyncio.ensure_future(
                client.request(fetch(12, "topic", {}, session=(session_id, 1), max_wait_ms=30_000))
            )
            await until(lambda: session.waiting is not None)
            partition = here.partition("topic", 2)
            image = here.broker.cluster.image.topics["topic"].partitions[2]
            assert partition.lead(msgspec.structs.replace(image, leader_epoch=epoch + 1))
            assert partitions_of(await waiting)[2].error_code is ErrorCode.fenced_leader_epoch
            waiting = asyncio.ensure_future(
                client.request(
                    fetch(
                        12, "topic", {2: 0}, session=(session_id, 2), max_wait_ms=30_000, current_leader_epoch=epoch + 1
                    )
                )
            )
            await until(lambda: session.waiting is not None)
            await other.delete_topics(["topic"])
            assert {each.error_code for each in partitions_of(await waiting).values()} <= GONE

    asyncio.run(script())


GONE = {ErrorCode.not_leader_or_follower, ErrorCode.unknown_topic_or_partition}


def overwrite_with_zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("partition_max_bytes", [1, 1 << 20], ids=["one batch", "all"])
def test_where_a_batch_was_and_now_are_zeros_the_client_is_told_and_others_are_read(
    tmp_path: Path, partition_max_bytes: int
) -> None:
    """A client that gets such bytes as records may take them for anything; librdkafka ends its process."""

    async def script() -> None:
        async with running(tmp_path) as here:
            for topic in ("damaged", "whole"):
                await here.topic(topic)
                await fill(here, topic, 0, [b"a", b"b"])
            overwrite_with_zeros(Path(here.partition("damaged", 0).log.active.log_path))
            client = await here.client()
            for topic, error in (("damaged", ErrorCode.corrupt_message), ("whole", ErrorCode.none)):
                asked = fetch(11, topic, {0: 0}, partition_max_bytes=partition_max_bytes)
                found = partitions_of(await client.request(asked))[0]
                assert (found.error_code, bool(found.records)) == (error, error is ErrorCode.none)

    asyncio.run(script())
