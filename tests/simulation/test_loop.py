"""asyncio on the simulated loop behaves as on a real one, in no time and in an order drawn from the seed."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from odradek.simulation import LimitReached, SimulatedLoop, Stuck

Scenario = Callable[[], Awaitable[Any]]


def simulated(scenario: Scenario, seed: int = 1) -> Any:
    loop = SimulatedLoop(seed=seed)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(scenario())  # type: ignore[arg-type]


async def timeouts() -> list[str]:
    seen = []
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        seen.append("timeout")
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.01)
    except TimeoutError:
        seen.append("wait_for")
    return seen


async def queues_and_events() -> list[int]:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    finished = asyncio.Event()

    async def produce() -> None:
        for number in range(10):
            await queue.put(number)
        finished.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        received = [await queue.get() for _ in range(10)]
        await finished.wait()
    return received


async def failing_groups() -> list[str]:
    seen = []

    async def fail() -> None:
        raise ValueError("one")

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait())
            await asyncio.sleep(0)
            group.create_task(fail())
    except* ValueError as errors:
        seen.append(str(errors.exceptions[0]))
    return seen


async def gathering() -> list[Any]:
    async def number(value: int) -> int:
        await asyncio.sleep(0.001 * value)
        return value

    async def fail() -> None:
        raise KeyError("lost")

    results = await asyncio.gather(number(3), fail(), number(1), return_exceptions=True)
    return [repr(result) for result in results]


async def executor() -> list[Any]:
    loop = asyncio.get_running_loop()
    with pytest.raises(ZeroDivisionError):
        await loop.run_in_executor(None, lambda: 1 // 0)
    return [await asyncio.to_thread(sum, (1, 2, 3)), await loop.run_in_executor(None, max, 4, 9)]


async def generators() -> list[int]:
    async def count() -> Any:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    return [number async for number in count()]


async def locks_and_conditions() -> int:
    condition, ready = asyncio.Condition(), 0

    async def wait() -> None:
        async with condition:
            await condition.wait_for(lambda: ready == 1)

    waiters = [asyncio.ensure_future(wait()) for _ in range(3)]
    await asyncio.sleep(0)
    async with condition:
        ready = 1
        condition.notify_all()
    done, pending = await asyncio.wait(waiters)
    assert not pending
    return len(done)


async def callbacks_of_one_step() -> list[int]:
    seen: list[int] = []
    for number in range(20):
        asyncio.get_running_loop().call_soon(seen.append, number)
    await asyncio.sleep(0.001)
    return seen


FEATURES = [
    timeouts,
    queues_and_events,
    failing_groups,
    gathering,
    executor,
    generators,
    locks_and_conditions,
    callbacks_of_one_step,
]


@pytest.mark.parametrize("scenario", FEATURES, ids=lambda scenario: scenario.__name__)
@pytest.mark.parametrize("seed", range(5))
def test_a_program_gets_the_results_it_gets_on_a_real_loop(scenario: Scenario, seed: int) -> None:
    assert simulated(scenario, seed) == asyncio.run(scenario())  # type: ignore[arg-type]


def test_an_hour_passes_at_once() -> None:
    async def wait() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    assert 3600 <= simulated(wait) < 3601


def test_timers_run_in_the_order_of_their_times() -> None:
    async def scenario() -> list[float]:
        loop, seen = asyncio.get_running_loop(), list[float]()
        for delay in (0.5, 0.1, 0.3, 0.2, 0.4):
            loop.call_later(delay, seen.append, delay)
        await asyncio.sleep(1)
        return seen

    assert simulated(scenario) == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_busy_loop_does_not_hold_the_clock_still() -> None:
    async def spin() -> bool:
        fired: list[bool] = []
        asyncio.get_running_loop().call_later(0.01, fired.append, True)
        while not fired:  # noqa: ASYNC110
            await asyncio.sleep(0)
        return fired[0]

    assert simulated(spin)


def test_the_order_of_independent_tasks_differs_between_seeds_and_not_within_one() -> None:
    async def race() -> tuple[int, ...]:
        seen: list[int] = []

        async def run(number: int) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            seen.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(run(number))
        return tuple(seen)

    orders = [simulated(race, seed) for seed in range(20)]
    assert len(set(orders)) > 1
    assert orders == [simulated(race, seed) for seed in range(20)]


def test_cancelled_tasks_of_a_group_end_in_the_same_order_each_time() -> None:
    async def scenario() -> tuple[int, ...]:
        seen: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                seen.append(number)

        async def cancelled_group() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(12):
                    group.create_task(wait(number))
                await asyncio.sleep(0.01)
                raise ValueError

        with pytest.raises(ExceptionGroup):
            await cancelled_group()
        return tuple(seen)

    assert len({simulated(scenario, seed=5) for _ in range(10)}) == 1


def test_waiting_for_nothing_is_reported_and_does_not_hang() -> None:
    loop = SimulatedLoop(seed=9)
    waiting = loop.create_task(asyncio.Event().wait())
    with pytest.raises(Stuck, match="seed 9"):
        loop.run_until_complete(waiting)
    waiting.cancel()
    loop.schedule.run_until(waiting.done)


def test_a_run_without_end_is_stopped() -> None:
    loop = SimulatedLoop(seed=9)

    def again() -> None:
        loop.call_soon(again)

    again()
    with pytest.raises(LimitReached):
        loop.schedule.run_until(lambda: False, steps_max=100)


def test_executor_calls_run_in_threads_of_their_own_one_at_a_time() -> None:
    async def scenario() -> list[bool]:
        loop, running = asyncio.get_running_loop(), threading.Lock()
        main = threading.get_ident()

        def work() -> bool:
            with running:
                return threading.get_ident() != main

        return await asyncio.gather(*(loop.run_in_executor(None, work) for _ in range(20)))

    assert all(simulated(scenario))


def test_a_killed_loop_runs_nothing_any_more() -> None:
    loop, seen = SimulatedLoop(seed=1), list[int]()
    loop.call_soon(seen.append, 1)
    loop.call_later(1, seen.append, 2)
    loop.kill()
    loop.call_soon(seen.append, 3)
    assert not loop.schedule.step()
    assert seen == []


def test_an_error_nobody_handles_is_kept_for_the_world_to_find() -> None:
    loop = SimulatedLoop(seed=1)
    loop.call_soon(lambda: 1 // 0)
    loop.run_until_complete(asyncio.sleep(0.1))
    assert isinstance(loop.errors[0]["exception"], ZeroDivisionError)
