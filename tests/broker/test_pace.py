"""Long work in slices, on a loop of its own."""

import asyncio
import gc
import weakref

from odradek.host.pace import SLICE, paced


async def work(name: str, slices: int, begun: list[str]) -> None:
    async for number in paced(range(slices * SLICE)):
        if number % SLICE == 0:
            begun.append(name)  # noqa: PERF401 - when it is begun is what counts


def test_all_that_is_paced_takes_turns() -> None:
    async def script() -> list[str]:
        begun: list[str] = []
        await asyncio.gather(*(work(name, 3, begun) for name in "abc"))
        return begun

    assert asyncio.run(script()) == [*"abc"] * 3


def test_one_slice_is_begun_in_a_turn_of_the_loop_however_many_wait() -> None:
    async def script() -> int:
        begun: list[str] = []
        works = asyncio.gather(*(work(str(number), 5, begun) for number in range(20)))
        await asyncio.sleep(0)
        most = 0
        while not works.done():
            before = len(begun)
            await asyncio.sleep(0)
            most = max(most, len(begun) - before)
        await works
        assert len(begun) == 100
        return most

    assert asyncio.run(script()) == 1


def test_who_gave_up_does_not_hold_up_the_others() -> None:
    async def script() -> list[str]:
        begun: list[str] = []
        tasks = [asyncio.create_task(work(name, 2, begun)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return begun

    assert asyncio.run(script()) == [*"abcac"]


def test_a_loop_is_not_kept_alive() -> None:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work("a", 3, []))
    loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None
