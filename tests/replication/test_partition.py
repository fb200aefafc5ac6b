"""One partition: appends, commits, long polls, and what a disk that fails, fills or stalls makes of them."""

import asyncio
import errno
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.config import TopicConfig
from odradek.host.files import Buffer
from odradek.log.append import AppendResult
from odradek.log.appending import UNUSUAL
from odradek.log.errors import DamagedLogError, DirectoryFailedError, DiskFullError
from odradek.log.health import SLOW_WRITES
from odradek.log.manager import LogManager
from odradek.replication.errors import PartitionError
from odradek.replication.partition import Partition
from odradek.replication.replay import TURN_BYTES
from tests.replication.images import partition_image
from tests.support.faulty_files import FaultyFiles
from tests.support.log_managers import CREWS, FLIGHTS, crash, create, keys, opened, until
from tests.support.logs import batch, flush_all, offsets_in, topic_config

DURABLE = topic_config(flush_messages=1)


class Poll:
    """A long poll that counts how often it was woken."""

    def __init__(self) -> None:
        self.high_watermarks: list[int] = []
        self.is_follower = False

    def wake(self, partition: Partition) -> None:
        self.high_watermarks.append(partition.high_watermark)


async def leader(
    manager: LogManager, config: Any = None, is_doubtful: Callable[[], bool] = lambda: False, **image: Any
) -> Partition:
    """The only partition of a topic, led here."""
    (log,) = await create(manager, keys("flights", 1), config)
    partition = Partition(log, manager, lambda _: None, is_doubtful=is_doubtful)
    manager.attach(log, partition)
    assert partition.lead(partition_image(5, **image))
    return partition


def epochs_stored(partition: Partition) -> str:
    """The content of its file."""
    return (Path(partition.log.directory) / "leader-epoch-checkpoint").read_text()


def cut_one_byte(segment: Path) -> None:
    """The last batch is not whole any more."""
    segment.write_bytes(segment.read_bytes()[:-1])


def append(partition: Partition, value: bytes = b"v", **options: Any) -> AppendResult:
    """Without a detour through a thread."""
    result = partition.append(batch(value), **options)
    assert isinstance(result, AppendResult)
    return result


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_an_append_is_committed_at_once_where_there_is_one_replica(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        result = append(partition, required_acks=-1)
        assert (result.error, result.base_offset) == (ErrorCode.none, 0)
        assert partition.high_watermark == partition.last_stable_offset == 1
        assert partition.commit(result.last_offset) is None
        await manager.stop()

    run(scenario())


async def led_again(manager: LogManager, config: Any = None) -> Partition:
    """The partition after a restart."""
    (log,) = manager.logs.values()
    log.config = config or log.config
    partition = Partition(log, manager, lambda _: None)
    manager.attach(log, partition)
    return partition


def test_after_a_crash_nothing_that_was_committed_is_taken_back_until_it_is_synced_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager, DURABLE)
        committed = partition.commit(append(partition).last_offset)
        assert committed is not None
        await committed
        await manager.upkeep.checkpoint_high_watermarks()
        append(partition)
        await crash(manager)
        manager = await opened(tmp_path)
        partition = await led_again(manager, DURABLE)
        assert (partition.log.flushed_offset, partition.high_watermark, partition.log.log_end_offset) == (0, 1, 2)
        assert partition.lead(partition_image(6))
        assert partition.high_watermark == 1
        await until(lambda: partition.high_watermark == 2)
        await manager.stop()

    run(scenario())


def test_a_high_watermark_beyond_what_a_power_loss_left_is_the_logs_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        append(partition)
        append(partition)
        await manager.upkeep.checkpoint_high_watermarks()
        await crash(manager)
        cut_one_byte(Path(partition.log.active.log_path))
        manager = await opened(tmp_path, boot_id="boot-2")
        assert (await led_again(manager)).high_watermark == 1
        await crash(manager)

    run(scenario())


def test_checkpoints_written_before_anybody_leads_keep_the_high_watermarks_that_were_found(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        append(await leader(manager))
        await manager.stop()
        manager = await opened(tmp_path)
        await manager.upkeep.checkpoint_high_watermarks()
        await crash(manager)
        assert (tmp_path / "replication-offset-checkpoint").read_text() == "0\n1\nflights 0 1\n"

    run(scenario())


def test_a_topic_made_again_does_not_inherit_the_high_watermark_of_the_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        append(await leader(manager))
        await manager.upkeep.checkpoint_high_watermarks()
        await manager.delete([(FLIGHTS, 0)])
        assert (tmp_path / "replication-offset-checkpoint").read_text() == "0\n0\n"
        await create(manager, keys("flights", 1, CREWS))
        log = manager.logs[CREWS, 0]
        log.append(batch(b"v"), leader_epoch=0, now_ms=0)
        await crash(manager)
        manager = await opened(tmp_path)
        assert (await led_again(manager)).high_watermark == 0
        await crash(manager)

    run(scenario())


def test_the_batch_carries_the_leader_epoch_and_the_epoch_begins_at_the_logs_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        append(partition)
        assert partition.lead(partition_image(7))
        append(partition)
        assert partition.log.epochs.entries == ((5, 0), (7, 1))
        assert partition.log.end_offset_for_epoch(5) == (5, 1)
        await manager.stop()
        manager = await opened(tmp_path)
        (log,) = manager.logs.values()
        assert log.epochs.entries == ((5, 0), (7, 1))
        await manager.stop()

    run(scenario())


def test_an_epoch_without_records_costs_no_write(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        partition = await leader(manager)
        append(partition)
        await manager.stop()
        manager = await opened(tmp_path, files=files)
        (log,) = manager.logs.values()
        partition = Partition(log, manager, lambda _: None)
        manager.attach(log, partition)
        partition.lead(partition_image(9))
        files.calls.clear()
        await manager.stop()
        checkpoints_inventory_and_marker = 5
        assert files.calls.count("rename") == checkpoints_inventory_and_marker

    run(scenario())


def test_a_long_poll_is_woken_by_the_append_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition, poll = await leader(manager), Poll()
        partition.add_fetch_waiter(poll)
        append(partition)
        append(partition)
        partition.remove_fetch_waiter(poll)
        partition.remove_fetch_waiter(poll)
        append(partition)
        assert poll.high_watermarks == [1, 2]
        await manager.stop()

    run(scenario())


def test_a_duplicate_wakes_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition, poll = await leader(manager), Poll()
        sent: Any = {"producer_id": 1, "producer_epoch": 0, "base_sequence": 0}
        partition.append(batch(b"v", **sent))
        partition.add_fetch_waiter(poll)
        again = partition.append(batch(b"v", **sent))
        assert isinstance(again, AppendResult)
        assert (again.duplicate, again.base_offset, poll.high_watermarks) == (True, 0, [])
        await manager.stop()

    run(scenario())


def test_with_flush_messages_only_flushed_offsets_are_committed_and_shown(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition, poll = await leader(manager, DURABLE), Poll()
        partition.add_fetch_waiter(poll)
        result = append(partition)
        assert partition.high_watermark == 0
        committed = partition.commit(result.last_offset)
        assert committed is not None
        assert poll.high_watermarks == []
        await committed
        assert partition.log.flushed_offset == partition.high_watermark == 1
        assert poll.high_watermarks == [1]
        await manager.stop()

    run(scenario())


def test_a_waiting_consumer_is_shown_unflushed_records_soon_though_flush_messages_is_far_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition, poll = await leader(manager, topic_config(flush_messages=1000)), Poll()
        append(partition)
        partition.add_fetch_waiter(poll)
        await until(lambda: poll.high_watermarks == [1])
        append(partition)
        await until(lambda: poll.high_watermarks == [1, 2])
        await manager.stop()

    run(scenario())


def test_a_sync_that_fails_acknowledges_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        partition = await leader(manager, DURABLE)
        files.fail("datasync")
        committed = partition.commit(append(partition).last_offset)
        assert committed is not None
        with pytest.raises(PartitionError) as refused:
            await committed
        assert refused.value.error is ErrorCode.kafka_storage_error
        assert (partition.error, partition.high_watermark) == (ErrorCode.kafka_storage_error, 0)
        with pytest.raises(DirectoryFailedError):
            partition.append(batch(b"w"))
        await manager.stop()

    run(scenario())


def test_a_full_disk_refuses_and_resumes_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        partition = await leader(manager)
        append(partition)
        files.write_short(20)
        with pytest.raises(DiskFullError):
            partition.append(batch(b"refused"))
        with pytest.raises(DiskFullError):
            partition.append(batch(b"refused"))
        assert partition.error is ErrorCode.none
        assert offsets_in(partition.log) == [(0, 0)]
        health = manager.health_of(partition.log)
        await until(lambda: health.refusal is None)
        assert append(partition).base_offset == 1
        assert offsets_in(partition.log) == [(0, 0), (1, 1)]
        await manager.stop()

    run(scenario())


def test_a_write_error_takes_the_directory_offline(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        partition, poll = await leader(manager), Poll()
        partition.add_fetch_waiter(poll)
        files.fail("pwritev", errno.EIO)
        with pytest.raises(DirectoryFailedError):
            partition.append(batch(b"v"))
        assert partition.error is ErrorCode.kafka_storage_error
        assert poll.high_watermarks == [0]
        assert not partition.lead(partition_image(6))
        await manager.stop()

    run(scenario())


@pytest.mark.parametrize(
    "obstacle", ["resigned", "threaded", "failed", "too small an ISR", "append time", "damaged", "doubt"]
)
def test_the_short_way_does_nothing_where_anything_is_in_its_way(tmp_path: Path, obstacle: str) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        config = topic_config(message_timestamp_type="LogAppendTime") if obstacle == "append time" else None
        isr = (1,) if obstacle == "too small an ISR" else (1, 2)
        partition = await leader(manager, config, replicas=(1, 2), isr=isr, min_isr=2)
        health = manager.health_of(partition.log)
        if obstacle == "resigned":
            partition.resign(ErrorCode.not_leader_or_follower, "moved")
        elif obstacle == "threaded":
            health.threaded = True
        elif obstacle == "failed":
            health.fail("a test says so")
        elif obstacle == "damaged":
            partition.log.damage = DamagedLogError("segment", 0, 0, "a test says so")
        elif obstacle == "doubt":
            partition._is_doubtful = lambda: True
        records = batch(b"v", timestamp_ms=manager.time_ms())
        assert partition.append_plain(memoryview(records), 1 if obstacle == "doubt" else -1) == UNUSUAL
        assert partition.log.log_end_offset == 0
        partition.log.damage = None
        await manager.stop()

    run(scenario())


def test_the_short_way_moves_the_high_watermark_and_wakes(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition, poll = await leader(manager), Poll()
        partition.add_fetch_waiter(poll)
        for expected in range(3):
            records = batch(b"v", timestamp_ms=manager.time_ms())
            assert partition.append_plain(memoryview(records), -1) == expected
        assert poll.high_watermarks == [1, 2, 3]
        assert offsets_in(partition.log) == [(0, 0), (1, 1), (2, 2)]
        await manager.stop()

    run(scenario())


def test_too_small_an_isr_refuses_acks_all_before_anything_is_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager, replicas=(1, 2, 3), isr=(1,), min_isr=2)
        assert append(partition, required_acks=-1).error is ErrorCode.not_enough_replicas
        assert partition.log.log_end_offset == 0
        assert append(partition, required_acks=1).error is ErrorCode.none
        assert partition.high_watermark == 0
        await manager.stop()

    run(scenario())


def test_a_commit_waits_for_the_followers_in_the_isr(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager, replicas=(1, 2), isr=(1, 2), min_isr=2)
        first = partition.commit(append(partition, required_acks=-1).last_offset)
        second = partition.commit(append(partition, required_acks=-1).last_offset)
        assert first is not None
        assert second is not None
        assert partition.follower_fetched(2, 7, 1, 0)
        assert (first.done(), second.done()) == (True, False)
        partition.configure(partition_image(5, replicas=(1, 2), isr=(1,), min_isr=2, mod_revision=2))
        assert partition.follower_fetched(2, 7, 2, 0)
        assert (partition.high_watermark, second.done()) == (1, False)
        partition.configure(partition_image(5, replicas=(1, 2), isr=(1, 2), min_isr=2, mod_revision=3))
        await second
        await manager.stop()

    run(scenario())


@pytest.mark.parametrize("config", [topic_config(), DURABLE], ids=["replicated", "flushed"])
def test_what_was_committed_before_too_few_were_in_sync_is_answered_at_once(
    tmp_path: Path, config: TopicConfig
) -> None:
    """The high watermark moves no more, so nothing that comes later would answer it."""

    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager, config, replicas=(1, 2), isr=(1, 2), min_isr=2)
        last_offset = append(partition, required_acks=-1).last_offset
        committed = partition.commit(last_offset)
        assert partition.follower_fetched(2, 7, 1, 0)
        assert committed is not None
        await committed
        partition.configure(partition_image(5, replicas=(1, 2), isr=(1,), min_isr=2, mod_revision=2))
        again = partition.commit(last_offset)
        assert again is not None
        with pytest.raises(PartitionError) as refused:
            await asyncio.wait_for(again, 10)
        assert refused.value.error is ErrorCode.not_enough_replicas_after_append
        await manager.stop()

    run(scenario())


def test_whoever_waits_is_told_when_leadership_is_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition, poll = await leader(manager, replicas=(1, 2), isr=(1, 2)), Poll()
        committed = partition.commit(append(partition).last_offset)
        assert committed is not None
        partition.add_fetch_waiter(poll)
        partition.resign(ErrorCode.not_leader_or_follower, "another broker leads")
        with pytest.raises(PartitionError) as refused:
            await committed
        assert refused.value.error is ErrorCode.not_leader_or_follower
        assert poll.high_watermarks == [0]
        await manager.stop()

    run(scenario())


class SlowFiles(FaultyFiles):
    """Each write takes 30 ms, for the disk or for a processor."""

    def __init__(self, *, waits_for_disk: bool) -> None:
        super().__init__()
        self._waits_for_disk = waits_for_disk
        self._slept = 0
        self.now_s = 1000.0

    def sleeps(self) -> int:
        return self._slept

    def pwritev(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        self.now_s += 0.03
        self._slept += self._waits_for_disk
        return super().pwritev(fd, buffers, offset)


@pytest.mark.parametrize("waits_for_disk", [True, False])
def test_only_writes_that_wait_for_the_disk_move_a_directory_to_threads(tmp_path: Path, waits_for_disk: bool) -> None:
    async def scenario() -> None:
        files = SlowFiles(waits_for_disk=waits_for_disk)
        manager = await opened(tmp_path, files=files)
        partition = await leader(manager)
        manager.now = lambda: files.now_s
        for _ in range(SLOW_WRITES + 1):
            append(partition)
        assert manager.health_of(partition.log).threaded is waits_for_disk
        await manager.stop()

    run(scenario())


def test_a_directory_that_stalls_writes_through_threads_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        health = manager.health_of(partition.log)
        for _ in range(SLOW_WRITES):
            manager.write_stalled(health, manager.now())
        buffers = [batch(b"v%d" % index) for index in range(20)]
        answers = [partition.append(buffer) for buffer in buffers]
        for buffer in buffers:
            buffer[:] = bytes(len(buffer))
        results = [await answer for answer in answers if isinstance(answer, asyncio.Future)]
        assert [result.base_offset for result in results] == list(range(20))
        assert offsets_in(partition.log) == [(index, index) for index in range(20)]
        assert partition.high_watermark == 20
        await manager.stop()

    run(scenario())


def test_a_threaded_write_that_finds_the_disk_full_leaves_no_trace(tmp_path: Path) -> None:
    async def scenario() -> None:
        files = FaultyFiles()
        manager = await opened(tmp_path, files=files)
        partition = await leader(manager)
        append(partition)
        health = manager.health_of(partition.log)
        for _ in range(SLOW_WRITES):
            manager.write_stalled(health, manager.now())
        files.write_short(20)
        answers = [partition.append(batch(b"x")), partition.append(batch(b"y"))]
        for answer in answers:
            assert isinstance(answer, asyncio.Future)
            with pytest.raises(DiskFullError):
                await answer
        assert offsets_in(partition.log) == [(0, 0)]
        await until(lambda: health.refusal is None)
        again = partition.append(batch(b"z"))
        assert isinstance(again, asyncio.Future)
        assert (await again).base_offset == 1
        await manager.stop()

    run(scenario())


def test_writes_leave_the_threads_when_the_disk_is_quick_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        health = manager.health_of(partition.log)
        for _ in range(SLOW_WRITES):
            manager.write_stalled(health, 0.0)
        answer = partition.append(batch(b"v"))
        assert isinstance(answer, asyncio.Future)
        await answer
        assert health.calm_down(asyncio.get_running_loop().time() + 1000.0)
        late = partition.append(batch(b"w"))
        if isinstance(late, asyncio.Future):
            late = await late
        assert late.base_offset == 1
        await asyncio.sleep(0)
        assert append(partition).base_offset == 2
        await manager.stop()

    run(scenario())


def test_a_coordinator_replays_every_batch_up_to_the_high_watermark(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager, topic_config(segment_bytes=300))
        for index in range(10):
            append(partition, b"v%d" % index)
        assert len(partition.log.segments) > 2
        seen: list[int] = []
        assert await partition.replay(0, lambda view: seen.append(int.from_bytes(view[:8], "big"))) == 10
        assert seen == list(range(10))
        seen.clear()
        assert await partition.replay(7, lambda view: seen.append(int.from_bytes(view[:8], "big"))) == 10
        assert seen == [7, 8, 9]
        await manager.stop()

    run(scenario())


def test_a_replay_leaves_the_loop_to_others_in_between(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        for _ in range(10):
            append(partition, bytes(TURN_BYTES // 2))
        turns, seen = 0, []

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.get_running_loop().create_task(others())
        await partition.replay(0, lambda view: seen.append(turns))
        task.cancel()
        assert len(set(seen)) >= 5
        await manager.stop()

    run(scenario())


def test_an_idle_partition_is_small(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        assert not hasattr(partition, "__dict__")
        assert not hasattr(partition.log, "__dict__")
        assert partition._commits is None
        assert partition._fetches is None
        assert partition._writer is None
        await manager.stop()

    run(scenario())


def test_a_leader_that_may_have_been_replaced_promises_nothing_alone(tmp_path: Path) -> None:
    """With others in sync they decide: they do not follow a leader that was replaced."""

    async def scenario() -> None:
        manager = await opened(tmp_path)
        doubts = [True]
        partition = await leader(manager, is_doubtful=lambda: doubts[0], replicas=(1, 2), isr=(1, 2))
        for acks in (0, 1):
            assert append(partition, required_acks=acks).error is ErrorCode.not_leader_or_follower
        assert append(partition, required_acks=-1).error is ErrorCode.none
        partition.configure(partition_image(5, replicas=(1, 2), isr=(1,), mod_revision=9))
        assert append(partition, required_acks=-1).error is ErrorCode.not_leader_or_follower
        assert partition.may_be_replaced()
        doubts[0] = False
        assert append(partition, required_acks=1).error is ErrorCode.none
        await manager.stop()

    run(scenario())


def test_a_leader_without_other_replicas_has_nobody_to_be_replaced_by(tmp_path: Path) -> None:
    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager, is_doubtful=lambda: True)
        assert append(partition, required_acks=1).error is ErrorCode.none
        assert not partition.may_be_replaced()
        await manager.stop()

    run(scenario())


def test_an_epoch_begun_while_records_wait_for_the_disk_is_stored_with_its_first_record(tmp_path: Path) -> None:
    """Else a start would not know of it, once the recovery point has passed it, and what is committed would be cut."""

    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        append(partition)
        flush_all(partition.log)
        append(partition)
        assert partition.lead(partition_image(6))
        append(partition)
        flush_all(partition.log)
        assert partition.log.recovery_point == 3
        assert epochs_stored(partition) == "0\n2\n5 0\n6 2\n"
        await manager.stop()

    run(scenario())


def test_an_epoch_without_records_is_not_stored(tmp_path: Path) -> None:
    """A restart begins one in each of thousands of partitions."""

    async def scenario() -> None:
        manager = await opened(tmp_path)
        partition = await leader(manager)
        append(partition)
        flush_all(partition.log)
        assert partition.lead(partition_image(6))
        flush_all(partition.log)
        assert epochs_stored(partition) == "0\n1\n5 0\n"
        append(partition)
        flush_all(partition.log)
        assert epochs_stored(partition) == "0\n2\n5 0\n6 1\n"
        await manager.stop()

    run(scenario())
