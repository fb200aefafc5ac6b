"""A seed replays exactly; processes die without a trace of them left running."""

import asyncio
import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from odradek.host.files import read_file
from odradek.simulation import Process, ProcessFailed, SimulatedCrash, World
from tests.simulation.echo import run_echo_world

ROOT = Path(__file__).parents[2]


def test_a_seed_gives_the_same_digest_twice_in_one_process_and_once_in_a_fresh_one() -> None:
    command = [sys.executable, "-c", "from tests.simulation.echo import run_echo_world; print(run_echo_world(7))"]
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    fresh = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert [run_echo_world(7), run_echo_world(7)] == [fresh.stdout.strip()] * 2


def test_other_seeds_give_other_runs() -> None:
    assert len({run_echo_world(seed) for seed in range(8)}) == 8


def test_what_fails_says_how_to_replay_it() -> None:
    async def fail(process: Process) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken") as raised, World(42, replay="make replay SEED=42") as world:
        world.run(fail)
    assert "seed 42" in raised.value.__notes__[0]
    assert "make replay SEED=42" in raised.value.__notes__[0]


def test_a_frozen_process_goes_on_where_it_was_with_all_that_came_due() -> None:
    ticks: list[float] = []

    async def tick(process: Process) -> None:
        process.loop.call_at(3.0, ticks.append, -1.0)
        while True:
            await asyncio.sleep(1.0)
            ticks.append(round(process.loop.time()))

    with World(1) as world:
        process = world.machine("broker").start(tick)
        world.run_for(1.5)
        process.loop.freeze()
        world.run_for(5)
        assert ticks == [1]
        process.loop.thaw()
        world.run_for(0.1)
        assert sorted(ticks) == [-1, 1, 6 if 6 in ticks else 7]
        process.loop.freeze()
        world.machine("broker").crash("process")
        process.loop.thaw()
        before = len(ticks)
        world.run_for(5)
        assert len(ticks) == before


def test_a_killed_process_does_nothing_more_not_even_its_cleanup() -> None:
    done: list[str] = []

    async def work(process: Process) -> None:
        try:
            while True:
                await asyncio.sleep(0.1)
                done.append("worked")
        finally:
            process.host.files.exists("/")
            done.append("cleaned up")

    with World(1) as world:
        machine = world.machine("broker")
        machine.start(work)
        world.run_for(1)
        assert done.count("worked") > 5
        machine.crash("process")
        done.clear()
        world.run_for(1)
    assert done == []


def test_a_crash_planned_at_an_io_step_kills_the_whole_process_there() -> None:
    steps: list[int] = []

    async def other(process: Process) -> None:
        while True:
            await asyncio.sleep(0.001)
            steps.append(1)

    async def work(process: Process) -> None:
        files, loop = process.host.files, process.loop
        running = loop.create_task(other(process))
        fd = files.open("/log", os.O_RDWR | os.O_CREAT)
        await asyncio.sleep(0.05)
        await loop.run_in_executor(None, files.datasync, fd)
        running.cancel()

    with World(2) as world:
        machine = world.machine("broker")
        machine.disk.crash_at(2, "power")
        process = machine.start(work)
        world.run_for(1)
        assert not process.alive
        assert machine.process is None
        seen = len(steps)
        world.run_for(1)
        assert 10 < seen == len(steps)
        world.check()


def test_a_task_that_a_crash_keeps_from_beginning_is_closed_and_warned_of_by_nobody() -> None:
    async def never() -> None:
        pass

    async def work(process: Process) -> None:
        process.loop.create_task(never())
        process.host.files.mkdir("/data")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with World(2) as world:
            machine = world.machine("broker")
            machine.disk.crash_at(1, "process")
            machine.start(work)
            world.run_for(1)
            gc.collect()
    assert [str(each.message) for each in caught] == []


def test_a_machine_keeps_its_boot_id_unless_the_power_was_lost() -> None:
    async def wait(process: Process) -> None:
        await asyncio.sleep(1000)

    with World(3) as world:
        machine = world.machine("broker")
        first = machine.start(wait).host.boot_id
        machine.crash("process")
        second = machine.start(wait).host.boot_id
        machine.crash("power")
        third = machine.start(wait).host.boot_id
    assert first == second != third


def test_the_executor_runs_loop_steps_between_the_file_operations_of_one_call() -> None:
    between: list[int] = []

    async def tick(process: Process) -> None:
        while True:
            await asyncio.sleep(0.0001)
            between.append(process.host.files.stat("/a").size)

    async def work(process: Process) -> None:
        files = process.host.files
        fd = files.open("/a", os.O_RDWR | os.O_CREAT)
        ticking = process.loop.create_task(tick(process))

        def write_slowly() -> None:
            for position in range(20):
                files.pwritev(fd, [b"x"], position)

        await process.loop.run_in_executor(None, write_slowly)
        ticking.cancel()

    with World(4) as world:
        world.run(work)
    assert len(set(between)) > 5
    assert between == sorted(between)


def test_an_error_of_a_process_is_found_by_the_check() -> None:
    async def fail(process: Process) -> None:
        raise ValueError("bad start")

    with World(5) as world:
        world.machine("broker").start(fail)
        world.run_for(0.1)
        with pytest.raises(ProcessFailed):
            world.check()


def test_clocks_can_be_set_wrong_and_run_fast() -> None:
    with World(6) as world:
        machine, other = world.machine("broker"), world.machine("other")
        machine.clock.jump(-5000)
        other.clock.drift = 0.5
        world.run_for(10)
        assert other.clock.time_ms() - machine.clock.time_ms() in range(9990, 10010)


def test_a_signal_reaches_its_handler_and_kills_where_there_is_none() -> None:
    received: list[int] = []

    async def wait(process: Process) -> None:
        process.loop.add_signal_handler(15, received.append, 15)
        await asyncio.sleep(1000)

    with World(7) as world:
        process = world.machine("broker").start(wait)
        world.run_for(0.1)
        process.signal(15)
        world.run_for(0.1)
        assert received == [15]
        assert process.alive
        process.signal(2)
        assert not process.alive


def test_a_file_operation_of_a_dead_process_raises_and_changes_nothing() -> None:
    with World(8) as world:
        machine = world.machine("broker")
        process = machine.start()
        machine.crash("process")
        with pytest.raises(SimulatedCrash):
            process.host.files.mkdir("/late")
        assert not machine.start().host.files.exists("/late")


@pytest.mark.parametrize("seed", range(20))
def test_a_process_that_dies_in_one_executor_call_takes_the_others_with_it(seed: int) -> None:
    written: list[str] = []

    async def work(process: Process) -> None:
        files = process.host.files

        def write(path: str) -> None:
            fd = files.open(path, os.O_RDWR | os.O_CREAT)
            for position in range(10):
                files.pwritev(fd, [b"x"], position)
                written.append(path)

        await asyncio.gather(*(process.loop.run_in_executor(None, write, f"/{number}") for number in range(5)))

    with World(seed) as world:
        machine = world.machine("broker")
        machine.disk.crash_at(20, "process")
        process = machine.start(work)
        world.run_for(1)
        assert not process.alive
        assert len(written) < 20
        assert sum(len(read_file(machine.disk.mount(), f"/{number}")) for number in range(3)) <= len(written) + 1


def test_a_scenario_ends_as_soon_as_another_process_fails() -> None:
    async def fail(process: Process) -> None:
        await asyncio.sleep(1)
        raise ValueError("out of order")

    async def wait(process: Process) -> None:
        await asyncio.sleep(1000)

    with World(9) as world:
        world.machine("broker").start(fail)
        with pytest.raises(ProcessFailed):
            world.run(wait)
        assert world.schedule.now < 2
