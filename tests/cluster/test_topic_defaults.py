"""What a topic gets that nobody has decided for it."""

import pytest

from odradek.cluster.cluster import Cluster
from odradek.cluster.results import NewTopic
from odradek.cluster.topic_defaults import topic_defaults
from odradek.config import BrokerConfig
from odradek.metastore.memory import MemoryServer
from tests.cluster.clusters import play, start


@pytest.mark.parametrize(
    ("brokers", "config", "factor", "min_isr"),
    [
        (1, {}, 1, None),
        (2, {}, 1, None),
        (3, {}, 3, "2"),
        (7, {}, 3, "2"),
        (3, {"default.replication.factor": 1}, 1, None),
        (3, {"default.replication.factor": 2}, 2, None),
        (3, {"min.insync.replicas": 1}, 3, None),
    ],
)
def test_a_cluster_of_three_replicates_unless_somebody_has_decided(
    brokers: int, config: dict[str, object], factor: int, min_isr: str | None
) -> None:
    defaults = topic_defaults(BrokerConfig.parse(config), brokers, 0)
    assert (defaults.replication_factor, defaults.configs.get("min.insync.replicas")) == (factor, min_isr)


async def cluster_of(size: int) -> list[Cluster]:
    server = MemoryServer()
    return [await start(server, broker_id) for broker_id in range(size)]


def test_what_a_topic_is_created_with_wins() -> None:
    async def scenario() -> None:
        brokers = await cluster_of(3)
        wanted = [
            NewTopic("by-default", 2),
            NewTopic("one-copy", 1, 1),
            NewTopic("own-minimum", 1, configs={"min.insync.replicas": "3"}),
            NewTopic("by-hand", assignments=[(0, [2, 1])]),
        ]
        for result in await brokers[0].create_topics(wanted):
            assert result.message is None
        topics = brokers[0].image.topics
        found = {name: (topic.replication_factor, topic.partitions[0].min_isr) for name, topic in topics.items()}
        assert found == {"by-default": (3, 2), "one-copy": (1, 1), "own-minimum": (3, 3), "by-hand": (2, 1)}
        for broker in reversed(brokers):
            await broker.stop()

    play(scenario)
