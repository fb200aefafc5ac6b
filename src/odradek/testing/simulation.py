"""A deterministic world for tests of your own asyncio programs: virtual time, simulated network and disks, one seed.

    from odradek.testing.simulation import World

    def test_a_consumer_gives_up_after_a_minute() -> None:
        with World(seed=7) as world:
            world.run(consume)              # async def consume(process: Process) -> None

Inside, `asyncio.sleep`, timeouts, `open_connection` and `start_server` cost no real time; equal seeds give equal runs.
What leaves the `with` block as an error says how to replay it.
"""

from odradek.simulation import LimitReached, Machine, NetworkOptions, Process, ProcessFailed, Stuck, World

__all__ = ["LimitReached", "Machine", "NetworkOptions", "Process", "ProcessFailed", "Stuck", "World"]
