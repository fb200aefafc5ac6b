"""Brokers that replicate, whole: what is acknowledged by all is everywhere, and all logs are the same."""

import pytest

from odradek.simulation import Process
from tests.simulation.replicated import BROKERS, Replicated
from tests.simulation.scenarios import flushed_replicated, replay_line, replicated


@pytest.mark.parametrize("flush_messages", ["9223372036854775807", "1"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_produced_with_acks_all_is_on_every_replica_byte_for_byte(seed: int, flush_messages: str) -> None:
    cluster = Replicated(seed)

    async def scenario(_: Process) -> None:
        await cluster.create(min_insync_replicas="3", flush_messages=flush_messages)
        for number in range(20):
            assert await cluster.produce(f"a-{number}", f"b-{number}") == 2 * number
            for broker_id in BROKERS:
                log = cluster.log(broker_id)
                assert log.log_end_offset >= 2 * number + 2
                assert log.flushed_offset >= 2 * number + 2 or flush_messages != "1"
        await cluster.converged()

    cluster.run(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_brokers_that_die_one_at_a_time_and_return_lose_nothing_acknowledged(seed: int) -> None:
    assert replicated(seed), replay_line("replicated", seed)


@pytest.mark.parametrize("seed", range(8))
def test_nor_do_they_when_every_message_is_flushed(seed: int) -> None:
    assert flushed_replicated(seed), replay_line("flushed-replicated", seed)
