"""One heap for all deadlines."""

import asyncio

from odradek.groups.timers import Alarm, TimerHeap
from odradek.simulation import SimulatedLoop


def rings(*times_ms: list[int]) -> list[tuple[int, int]]:
    """(alarm, time) of each ring, alarms being set to the given times in turn."""
    loop = SimulatedLoop(seed=1)
    timers, rung = TimerHeap(loop), list[tuple[int, int]]()

    async def whole() -> None:
        for number, times in enumerate(times_ms):
            alarm = Alarm(timers, lambda number=number: rung.append((number, timers.now_ms())))  # type: ignore[misc]
            for time_ms in times:
                alarm.ring_by(time_ms) if time_ms >= 0 else alarm.cancel()
        await asyncio.sleep(100)

    loop.run_until_complete(whole())
    return [(number, round(time_ms, -1)) for number, time_ms in rung]


def test_alarms_ring_in_the_order_of_their_times() -> None:
    assert rings([3_000], [1_000], [2_000]) == [(1, 1_000), (2, 2_000), (0, 3_000)]


def test_an_alarm_can_be_brought_forward_and_rings_once() -> None:
    assert rings([3_000, 1_000]) == [(0, 1_000)]


def test_an_alarm_cannot_be_put_off() -> None:
    assert rings([1_000, 3_000]) == [(0, 1_000)]


def test_a_cancelled_alarm_rings_only_when_set_again() -> None:
    assert rings([1_000, -1]) == []
    assert rings([1_000, -1, 2_000]) == [(0, 2_000)]


def test_an_alarm_never_rings_before_its_time() -> None:
    loop = SimulatedLoop(seed=1)
    timers = TimerHeap(loop)

    async def whole() -> int:
        rung: asyncio.Future[int] = loop.create_future()
        await asyncio.sleep(0.0123456)
        when_ms = timers.now_ms() + 7
        Alarm(timers, lambda: rung.set_result(timers.now_ms())).ring_by(when_ms)
        return await rung - when_ms

    assert loop.run_until_complete(whole()) >= 0


def test_superseded_entries_do_not_pile_up() -> None:
    loop = SimulatedLoop(seed=1)
    timers = TimerHeap(loop)

    async def whole() -> None:
        for _ in range(10_000):
            alarm = Alarm(timers, lambda: None)
            alarm.ring_by(10_000_000)
            alarm.cancel()

    loop.run_until_complete(whole())
    assert len(timers) <= 512
    timers.close()
