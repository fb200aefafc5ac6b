"""SIGTERM under load stops cleanly; a stopped process goes on where it was."""

import os
import signal

from odradek.testing import BrokerProcess
from tests.faults.load import IN_FLIGHT_MAX, Load
from tests.faults.test_kill import SEED, assert_kept, make_partitions
from tests.faults.waiting import wait_for

RECORDS = 500


def test_a_broker_stopped_under_load_starts_without_recovery_and_loses_nothing() -> None:
    with BrokerProcess() as broker:
        partitions = make_partitions(broker)
        with Load(broker.bootstrap, partitions, SEED) as load:
            for _ in range(3):
                load.wait_for_progress(RECORDS)
                os.kill(broker.pid, signal.SIGTERM)
                wait_for("the broker to end", lambda: not broker.is_running)
                assert (broker.data_dir / ".kafka_cleanshutdown").exists()
                broker.stop()
                broker.start()
            load.wait_for_progress(RECORDS)
        assert_kept(broker, load, partitions)
        assert "recovering" not in broker.log


def test_a_second_sigterm_does_not_make_the_stop_unclean() -> None:
    with BrokerProcess() as broker:
        partitions = make_partitions(broker)
        with Load(broker.bootstrap, partitions, SEED) as load:
            load.wait_for_progress(RECORDS)
            pid = broker.pid
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
            wait_for("the broker to end", lambda: not broker.is_running)
            broker.stop()
            broker.start()
            load.wait_for_progress(RECORDS)
        assert_kept(broker, load, partitions)
        assert "recovering" not in broker.log


def test_a_process_that_was_suspended_goes_on_and_nothing_is_lost() -> None:
    with BrokerProcess() as broker:
        partitions = make_partitions(broker)
        with Load(broker.bootstrap, partitions, SEED) as load:
            for _ in range(3):
                load.wait_for_progress(RECORDS)
                os.kill(broker.pid, signal.SIGSTOP)
                wait_until_blocked(load)
                os.kill(broker.pid, signal.SIGCONT)
            load.wait_for_progress(RECORDS)
        assert_kept(broker, load, partitions)


def wait_until_blocked(load: Load) -> None:
    """Until the librdkafka producers have as much in flight as they may: nothing has been answered for a while."""

    def blocked() -> bool:
        return all(each.sent - each.acknowledged >= IN_FLIGHT_MAX for each in load.producers[:2])

    wait_for("the producers to be blocked", blocked)
