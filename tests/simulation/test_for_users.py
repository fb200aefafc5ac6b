"""What users get of the simulation: their own coroutines on virtual time."""

import asyncio

from odradek.testing.simulation import Process, World

POLLS = 600


async def poll_for_ten_minutes(process: Process) -> list[float]:
    """A consumer-like coroutine: it polls once a second and gives up a poll that takes longer than half of one."""
    loop, polled = asyncio.get_running_loop(), []
    for _ in range(POLLS):
        try:
            async with asyncio.timeout(0.5):
                await asyncio.sleep(process.host.random.random())
        except TimeoutError:
            continue
        polled.append(loop.time())
        await asyncio.sleep(1)
    return polled


def run(seed: int) -> list[float]:
    with World(seed=seed) as world:
        return world.run(poll_for_ten_minutes)


def test_virtual_minutes_pass_and_equal_seeds_give_equal_runs() -> None:
    polled = run(7)
    assert 0 < len(polled) < POLLS
    assert polled[-1] > len(polled) - 1
    assert polled == run(7)
    assert polled != run(8)
