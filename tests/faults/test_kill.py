"""`kill -9` while real clients write, read and commit: what was acknowledged is there, once and in order."""

import os
from random import Random

from odradek.testing import BrokerProcess
from odradek.testing.topics import create_topic
from tests.faults.load import Load
from tests.faults.reading import read_all
from tests.support.history import Crashed, Partition

KILLS = int(os.environ.get("ODRADEK_TEST_KILLS", "3"))
SEED = int(os.environ.get("ODRADEK_TEST_SEED", "1"))
PARTITIONS = 4
RECORDS_BETWEEN_MIN = 100
RECORDS_BETWEEN_MAX = 3000


def make_partitions(broker: BrokerProcess, **config: str) -> list[Partition]:
    """Small segments, so that kills hit rolls too."""
    settings = {"segment.bytes": "1048576"} | {name.replace("_", "."): value for name, value in config.items()}
    create_topic(broker.bootstrap, "load", PARTITIONS, settings)
    return [("load", index) for index in range(PARTITIONS)]


def assert_kept(broker: BrokerProcess, load: Load, partitions: list[Partition]) -> None:
    """All that the clients saw agrees with all that is there."""
    assert load.errors == []
    for partition in partitions:
        load.history.add(read_all(broker.bootstrap, partition))
    assert [str(violation) for violation in load.history.violations()[:10]] == []


def test_a_killed_broker_loses_nothing_acknowledged_and_repeats_nothing() -> None:
    chance = Random(SEED)
    with BrokerProcess() as broker:
        partitions = make_partitions(broker)
        with Load(broker.bootstrap, partitions, SEED) as load:
            for _ in range(KILLS):
                load.wait_for_progress(chance.randint(RECORDS_BETWEEN_MIN, RECORDS_BETWEEN_MAX))
                broker.kill()
                load.history.add(Crashed(loses_suffix=False))
                broker.start()
            load.wait_for_progress(RECORDS_BETWEEN_MIN)
        assert_kept(broker, load, partitions)
