"""A follower against leaders that do what the test says, over the simulated network."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.log.health import SLOW_WRITES
from tests.simulation.scripted_following import DIRECTORY, FOLLOWER_ID, Following, led_by
from tests.simulation.scripted_leader import LeaderLog


def follow(scenario: Callable[[Following], Awaitable[None]], seed: int = 1, **options: Any) -> Following:
    world = Following(seed, **options)
    world.run(scenario)
    return world


def written(*lengths: int, epoch: int = 0) -> LeaderLog:
    """A leader's log: a batch of so many records for each number, all committed."""
    log = LeaderLog(epoch)
    for number, length in enumerate(lengths):
        log.append(*(f"{number}-{each}" for each in range(length)))
    log.high_watermark = log.end
    return log


@pytest.mark.parametrize("seed", range(5))
def test_a_follower_gets_everything_and_then_what_comes(seed: int) -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(3, 1, 2))
        await world.follows()
        log.append("later", "still later")
        world.leader.changed()
        await world.until(lambda: world.log().log_end_offset == 8)
        assert world.partition().high_watermark == 6, "not committed yet"
        log.high_watermark = 8
        world.leader.changed()
        await world.follows()
        assert world.fetchers.bytes_in == len(log.content())

    follow(scenario, seed)


def test_a_partition_with_nothing_new_costs_nothing_and_a_leader_one_long_poll() -> None:
    async def scenario(world: Following) -> None:
        for index in range(3):
            world.lead(written(2), index)
        for index in range(3):
            await world.follows(index)
        before = len(world.leader.requests)
        start = world.leader._process.loop.time()  # type: ignore[union-attr]
        await world.until(lambda: world.leader._process.loop.time() > start + 10)  # type: ignore[union-attr]
        idle = world.leader.requests[before:]
        assert 18 <= len(idle) <= 22, "one each 500 ms"
        assert all(not request.topics and not request.forgotten for request in idle[1:])
        assert world.leader.connections == 1

    follow(scenario, partitions=3)


def test_who_asks_and_what_for() -> None:
    async def scenario(world: Following) -> None:
        world.lead(written(2, epoch=4))
        await world.follows()
        first = world.leader.requests[0]
        assert (first.replica_id, first.replica_epoch, first.max_bytes) == (FOLLOWER_ID, 7, 10 << 20)
        assert first.topics[0][1][0] == (0, 4, 0, -1, 0, 1 << 20)

    follow(scenario)


def test_a_follower_that_registered_again_tells_everything_again() -> None:
    """A leader takes nobody back into the ISR that fetched last in an older broker epoch (KIP-903)."""

    async def scenario(world: Following) -> None:
        for index in range(3):
            world.lead(written(2), index)
        for index in range(3):
            await world.follows(index)
        before = len(world.leader.requests)
        assert world.follower is not None
        world.follower.broker_epoch = 8

        def told_anew() -> list[Any]:
            asked = [each for each in world.leader.requests[before:] if each.replica_epoch == 8]
            return [wanted for each in asked for _, partitions in each.topics for wanted in partitions]

        await world.until(told_anew)
        assert sorted(wanted.partition for wanted in told_anew()) == [0, 1, 2]
        assert world.leader.connections == 1

    follow(scenario, partitions=3)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_not_the_new_leaders_is_cut(seed: int) -> None:
    async def scenario(world: Following) -> None:
        old = world.lead(written(2, 2, 2, 2))
        await world.follows()
        new = old.copy_to(4)
        new.high_watermark = 4
        new.lead(1)
        new.append("other", "history")
        old.append("never seen by the new leader")
        world.leader.changed()
        world.lead(new, leader=3, in_sync=False)
        await world.follows()
        assert world.log().epochs.entries == ((0, 0), (1, 4))

    follow(scenario, seed)


def test_a_chain_of_unclean_elections_is_followed_epoch_by_epoch() -> None:
    async def scenario(world: Following) -> None:
        mine = written(2)
        for epoch in (2, 5, 6):
            mine.lead(epoch)
            mine.append(f"{epoch}")
        mine.high_watermark = 0
        world.lead(mine)
        await world.follows()
        other = mine.copy_to(2)
        for epoch in (1, 3, 4, 7):
            other.lead(epoch)
            other.append(f"{epoch}", f"{epoch} again")
        world.lead(other, leader=3, in_sync=False)
        await world.follows()

    follow(scenario)


def test_producers_are_rolled_back_with_the_records() -> None:
    async def scenario(world: Following) -> None:
        log = LeaderLog()
        log.append("a", producer=(9, 0))
        log.append("b", producer=(9, 1))
        world.lead(log)
        await world.follows()
        assert world.log().producers.entries[9].last_sequence == 1
        new = log.copy_to(1)
        new.lead(1)
        world.lead(new, leader=3, in_sync=False)
        await world.follows()
        assert world.log().producers.entries[9].last_sequence == 0

    follow(scenario)


def test_what_was_committed_is_not_cut_by_a_replica_that_was_in_sync(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: Following) -> None:
        old = world.lead(written(2, 2))
        await world.follows()
        broken = old.copy_to(2)
        broken.lead(1)
        world.lead(broken, leader=3, in_sync=True)
        await world.until(lambda: world.fetchers.failed == 1)
        assert world.log().log_end_offset == world.partition().high_watermark == 4
        good = old.copy_to(4)
        good.lead(2)
        good.append("on")
        world.lead(good)
        await world.follows()
        assert world.fetchers.failed == 0

    follow(scenario)
    assert "the leader's log differs from offset 2 on, but 4 was committed" in caplog.text


def test_a_replica_that_was_not_in_sync_says_what_was_lost(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: Following) -> None:
        old = world.lead(written(2, 2))
        await world.follows()
        other = old.copy_to(2)
        other.lead(1)
        other.high_watermark = 1
        world.lead(other, leader=3, in_sync=False)
        await world.until(lambda: world.log().log_end_offset == 2)
        assert world.partition().high_watermark == 2, "what was known before stays known as far as it reaches"

    follow(scenario)
    assert "flights-0 lost 2 committed offsets" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        ErrorCode.not_leader_or_follower,
        ErrorCode.unknown_leader_epoch,
        ErrorCode.fenced_leader_epoch,
        ErrorCode.unknown_topic_id,
        ErrorCode.kafka_storage_error,
    ],
)
def test_a_partition_with_an_error_waits_and_the_others_go_on(error: ErrorCode) -> None:
    async def scenario(world: Following) -> None:
        sick, well = world.lead(written(1), 0), world.lead(written(1), 1)
        await world.follows(0)
        sick.error = error
        sick.append("unseen")
        for number in range(20):
            well.append(f"more {number}")
            well.high_watermark = well.end
            world.leader.changed()
            await world.follows(1)
        await world.until(lambda: world.fetchers.waiting == 1)
        assert world.log(0).log_end_offset == 1
        sick.error = ErrorCode.none
        sick.high_watermark = sick.end
        await world.follows(0)

    follow(scenario, partitions=2)


def test_damaged_records_are_not_appended_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: Following) -> None:
        sick, well = world.lead(written(1), 0), world.lead(written(1), 1)
        await world.follows(0)
        sick.is_corrupt = True
        sick.append("a", "b")
        well.append("c")
        well.high_watermark = 2
        world.leader.changed()
        await world.follows(1)
        await world.until(lambda: world.fetchers.waiting == 1)
        assert world.log(0).log_end_offset == 1
        assert world.content(0) == sick.batches[0].content
        sick.is_corrupt = False
        sick.high_watermark = 3
        await world.follows(0)

    follow(scenario, partitions=2)
    assert "flights-0 was sent what it cannot append" in caplog.text


def test_a_leader_that_forgets_its_sessions_is_told_everything_again() -> None:
    async def scenario(world: Following) -> None:
        logs = [world.lead(written(1), index) for index in range(2)]
        for number in range(10):
            logs[number % 2].append(f"{number}")
            logs[number % 2].high_watermark = logs[number % 2].end
            if number % 3 == 0:
                world.leader.forget_sessions()
            world.leader.changed()
            await world.follows(number % 2)
        assert world.leader.connections == 1

    follow(scenario, partitions=2)


def test_a_leader_without_room_for_sessions_is_followed_all_the_same() -> None:
    async def scenario(world: Following) -> None:
        await world.until(lambda: world.leader._process is not None)
        world.leader.allow_no_sessions()
        logs = [world.lead(written(1), index) for index in range(3)]
        for number in range(6):
            logs[number % 3].append(f"{number}")
            logs[number % 3].high_watermark = logs[number % 3].end
            world.leader.changed()
            await world.follows(number % 3)

    follow(scenario, partitions=3)


def test_a_follower_whose_leader_has_deleted_what_comes_next_begins_anew() -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2, 2))
        await world.follows()
        world.machine.world.network.partition("leader-2", "follower")
        log.append("a", "b")
        log.append("c", "d")
        log.start, log.high_watermark = 6, 8
        log.batches = log.batches[3:]
        world.machine.world.network.heal()
        await world.follows()
        assert world.log().log_start_offset == 6

    follow(scenario)


def test_a_new_replica_begins_within_the_batch_in_which_its_leaders_log_begins() -> None:
    async def scenario(world: Following) -> None:
        log = written(3, 3)
        log.start = 4
        log.batches = log.batches[1:]
        world.lead(log)
        await world.follows()
        assert (world.log().log_start_offset, world.log().segments[0].base_offset) == (4, 3)

    follow(scenario)


def test_deleted_records_are_deleted_here_too() -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2, 2))
        await world.follows()
        log.start = 3
        world.leader.changed()
        await world.follows()
        await world.until(lambda: world.leader.requests[-1].topics)
        assert world.leader.requests[-1].topics[0][1][0].log_start_offset == 3

    follow(scenario)


@pytest.mark.parametrize("seed", range(5))
def test_where_a_topic_wants_its_records_flushed_no_offset_is_told_before_it_is(seed: int) -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2))
        seen = 0
        for number in range(15):
            log.append(f"{number}")
            log.high_watermark = log.end
            world.leader.changed()
            await world.until(lambda: told(world) == log.end)
            assert world.log().flushed_offset == log.end
            seen = max(seen, told(world))
        assert seen == 17

    follow(scenario, seed, topic={"flush.messages": "1"})


def told(world: Following) -> int:
    """The last offset the leader was told of partition 0."""
    positions = [each for request in world.leader.requests for _, some in request.topics for each in some]
    return positions[-1].fetch_offset if positions else -1


def test_writes_that_go_through_a_thread_are_waited_for() -> None:
    async def scenario(world: Following) -> None:
        await world.until(lambda: world.follower is not None)
        assert world.follower is not None
        for _ in range(SLOW_WRITES):
            world.follower.logs.write_stalled(
                world.follower.logs.healths[DIRECTORY], world.follower.process.loop.time()
            )
        log = world.lead(written(2, 2))
        await world.follows()
        log.append("more")
        log.high_watermark = 5
        world.leader.changed()
        await world.follows()

    follow(scenario)


def test_an_answer_under_way_when_the_leader_changes_is_not_used() -> None:
    async def scenario(world: Following) -> None:
        old = world.lead(written(2))
        await world.follows()
        world.leader.delay_seconds = 0.3
        new = old.copy_to(2)
        old.append("late")
        asked = len(world.leader.requests)
        await world.until(lambda: len(world.leader.requests) > asked)
        new.lead(1)
        new.append("newer", "and more")
        new.high_watermark = 4
        world.lead(new, leader=3)
        await world.follows()
        world.leader.delay_seconds = 0.0
        newest = new.copy_to(4)
        newest.lead(2)
        newest.append("back at the first broker")
        world.lead(newest)
        await world.follows()
        assert world.log().epochs.entries == ((0, 0), (1, 2), (2, 4))

    follow(scenario)


def test_nobody_is_asked_once_there_is_no_leader_or_this_broker_leads() -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2))
        await world.follows()
        assert world.follower is not None
        world.follower.show(0, None)
        log.append("unseen")
        world.leader.changed()
        start = world.follower.process.loop.time()
        await world.until(lambda: world.follower is not None and world.follower.process.loop.time() > start + 2)
        asked = len(world.leader.requests)
        await world.until(lambda: world.follower is not None and world.follower.process.loop.time() > start + 5)
        assert len(world.leader.requests) == asked
        assert world.log().log_end_offset == 2
        world.follower.show(0, world.images[0])
        log.high_watermark = 3
        await world.follows()

    follow(scenario)


def test_an_image_of_the_same_epoch_changes_nothing_but_who_was_in_sync() -> None:
    async def scenario(world: Following) -> None:
        world.lead(written(2), in_sync=False)
        await world.follows()
        (followed,) = world.fetchers.followed()
        assert world.follower is not None
        were = [followed.was_in_sync]
        for in_sync in (True, False):
            world.follower.show(0, led_by(2, 0, in_sync=in_sync))
            assert world.fetchers.followed() == [followed]
            were.append(followed.was_in_sync)
        assert were == [False, True, True], "it was, in this epoch"

    follow(scenario)


def test_a_full_disk_is_waited_out_without_asking_for_what_cannot_be_stored() -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2))
        await world.follows()
        world.machine.disk.capacity_bytes = world.machine.disk.used_bytes
        log.append("x" * 20_000)
        log.high_watermark = 3
        world.leader.changed()
        await world.until(lambda: world.fetchers.waiting == 1)
        asked = len(world.leader.requests)
        start = world.partition()._logs.now()
        await world.until(lambda: world.partition()._logs.now() > start + 5)
        assert len(world.leader.requests) <= asked + 2
        world.machine.disk.capacity_bytes = None
        await world.follows()

    follow(scenario)


def test_once_its_directory_has_failed_a_partition_tells_its_leader_nothing_any_more() -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2))
        await world.follows()
        world.machine.disk.fail("pwritev", f"{DIRECTORY}/flights-*.log")
        log.append("unstored")
        world.leader.changed()
        await world.until(lambda: not world.fetchers.followed())
        asked = len(world.leader.requests)
        start = world.partition()._logs.now()
        await world.until(lambda: world.partition()._logs.now() > start + 5)
        assert len(world.leader.requests) <= asked + 1

    follow(scenario)


@pytest.mark.parametrize("fault", ["reset", "restart", "partition"])
def test_a_lost_connection_is_made_again(fault: str) -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2))
        await world.follows()
        network, machine = world.machine.world.network, world.machine.world.machine("leader-2")
        if fault == "reset":
            network.reset_connections("leader-2", "follower")
        elif fault == "restart":
            machine.crash("process")
            machine.start(world.leader.serve)
        else:
            network.partition("leader-2", "follower")
            start = world.partition()._logs.now()
            await world.until(lambda: world.partition()._logs.now() > start + 5)
            network.heal()
        log.append("after")
        log.high_watermark = 3
        await world.until(lambda: world.leader._process is not None)
        world.leader.changed()
        await world.follows()
        assert world.leader.connections >= (2 if fault != "partition" else 1)

    follow(scenario, config={"replica.socket.timeout.ms": 2000})


def test_a_topics_replicas_that_catch_up_are_throttled_until_they_are_in_sync() -> None:
    async def scenario(world: Following) -> None:
        throttled, free = LeaderLog(), LeaderLog()
        for log in (throttled, free):
            for number in range(60):
                log.append(f"{number}" + "x" * 1000)
            log.high_watermark = log.end
        begun = world.partition()._logs.now()
        world.lead(throttled, 0)
        world.lead(free, 1)
        await world.follows(1)
        assert world.partition()._logs.now() - begun < 1
        await world.until(lambda: world.fetchers.throttled == 1)
        await world.follows(0)
        took = world.partition()._logs.now() - begun
        least = len(throttled.content()) / 10_000 - 2
        assert least <= took <= least + 4
        throttled.append("y" * 40_000)
        throttled.high_watermark = throttled.end
        world.leader.changed()
        begun = world.partition()._logs.now()
        await world.follows(0)
        assert world.partition()._logs.now() - begun < 1, "what is in sync is not held up"

    follow(
        scenario,
        partitions=2,
        config={"follower.replication.throttled.rate": 10_000, "replica.fetch.max.bytes": 5_000},
        topic={"follower.replication.throttled.replicas": f"0:{FOLLOWER_ID}"},
    )


@pytest.mark.parametrize("moment", ["asking", "connecting"])
def test_a_leader_that_lost_its_power_and_is_back_in_a_new_epoch_is_asked_at_once(moment: str) -> None:
    async def scenario(world: Following) -> None:
        log = world.lead(written(2))
        await world.follows()
        leader, now = world.world.machine("leader-2"), world.partition()._logs.now
        leader.crash("power")
        silent_since = now()
        await world.until(lambda: now() > silent_since + (1 if moment == "asking" else 33))
        leader.start(world.leader.serve)
        log.lead(1)
        log.append("back")
        log.high_watermark = 3
        back_since = now()
        world.lead(log, broker_epoch=200)
        await world.follows()
        assert now() - back_since < 1

    follow(scenario)
