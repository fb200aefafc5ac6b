"""What operators do to a simulated cluster, also while it is in trouble: move replicas, drain brokers, change settings.

Whether a request gets through is left to chance; what it began is finished, or taken back, by the cluster.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, encode_batch
from tests.simulation.cluster_clients import REQUEST_SECONDS, RETRIED, RETRY_SECONDS, TIMESTAMP_MS, Client
from tests.support.wire_client import schema

if TYPE_CHECKING:
    from tests.simulation.cluster_lives import ClusterLives

TOPIC = "flights"
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4
SET, DELETE = 0, 1
DRAINING = "odradek.draining.brokers"
DRAINED_SECONDS = (1.0, 5.0, 20.0)
REQUEST_TIMEOUT = timedelta(seconds=3)
PASSING, PASSING_SECONDS = "passing", (0.0, 0.3, 2.0)


async def reassign(lives: "ClusterLives") -> None:
    """A partition is to have other replicas, as many as before, or goes back to those it had."""
    index = lives.chance.randrange(lives.partitions)
    api = schema("alter_partition_reassignments", 0)
    factor = len(lives.truth().topics[TOPIC].partitions[index].replicas)
    wanted = tuple(lives.chance.sample(lives.ids, min(factor, len(lives.ids))))
    replicas = None if lives.chance.random() < 0.2 else wanted
    partition = api.ReassignablePartition(partition_index=index, replicas=replicas)
    topic = api.ReassignableTopic(name=TOPIC, partitions=(partition,))
    await ask(lives, api.AlterPartitionReassignmentsRequest(timeout=REQUEST_TIMEOUT, topics=(topic,)))


async def drain(lives: "ClusterLives") -> None:
    """A broker is emptied, for a while."""
    await ask(lives, _alter(BROKER_RESOURCE, "", DRAINING, str(lives.any_broker())))
    await asyncio.sleep(lives.chance.choice(DRAINED_SECONDS))
    await ask(lives, _alter(BROKER_RESOURCE, "", DRAINING, None))


async def change_min_isr(lives: "ClusterLives") -> None:
    """Of the topic; lower or higher."""
    await ask(lives, _alter(TOPIC_RESOURCE, TOPIC, "min.insync.replicas", str(lives.chance.choice((1, 2, 2, 3)))))


async def elect_preferred(lives: "ClusterLives") -> None:
    """Leaderships go back to where they belong, of all partitions."""
    api = schema("elect_leaders", 2)
    await ask(lives, api.ElectLeadersRequest(election_type=0, topic_partitions=None, timeout=REQUEST_TIMEOUT))


async def come_and_go(lives: "ClusterLives") -> None:
    """A topic of a name that was there before is made, written, given more partitions, and deleted; or half of that."""
    topics = schema("create_topics", 7)
    made = topics.CreatableTopic(
        name=PASSING, num_partitions=lives.chance.choice((1, 3, 200)), replication_factor=min(3, len(lives.ids)),
        assignments=(), configs=(),
    )  # fmt: skip
    await ask(lives, topics.CreateTopicsRequest(topics=(made,), timeout=REQUEST_TIMEOUT, validate_only=False))
    await write(lives, PASSING)
    await asyncio.sleep(lives.chance.choice(PASSING_SECONDS))
    growth = schema("create_partitions", 3)
    more = growth.CreatePartitionsTopic(name=PASSING, count=lives.chance.choice((2, 5)), assignments=None)
    await ask(lives, growth.CreatePartitionsRequest(topics=(more,), timeout=REQUEST_TIMEOUT, validate_only=False))
    await asyncio.sleep(lives.chance.choice(PASSING_SECONDS))
    await ask(lives, _deletion())


def _deletion() -> Any:
    api = schema("delete_topics", 6)
    topics = (api.DeleteTopicState(name=PASSING, topic_id=None),)
    return api.DeleteTopicsRequest(topics=topics, timeout=REQUEST_TIMEOUT)


async def write(lives: "ClusterLives", topic: str) -> None:
    """A record into the first partition, if that succeeds."""
    client = Client(lives, "passer-by")
    data = encode_batch([Record(0, TIMESTAMP_MS, None, b"passing")])
    try:
        leader = await client.leader_of(topic, 0)
        await (await client.connect(leader)).produce(topic, 0, data, timeout=REQUEST_SECONDS)
    except RETRIED:
        pass
    finally:
        client.close()


async def undo(lives: "ClusterLives") -> None:
    """Nothing is drained, and every topic may be written, once this has got through."""
    for change in (
        _alter(BROKER_RESOURCE, "", DRAINING, None),
        _alter(TOPIC_RESOURCE, TOPIC, "min.insync.replicas", "1"),
    ):
        while not is_done(await ask(lives, change)):  # noqa: ASYNC110
            await asyncio.sleep(RETRY_SECONDS)
    while not is_gone(await ask(lives, _deletion())):  # noqa: ASYNC110
        await asyncio.sleep(RETRY_SECONDS)


def is_gone(answer: Any) -> bool:
    return answer is not None and answer.responses[0].error_code is ErrorCode.unknown_topic_or_partition


def is_done(answer: Any) -> bool:
    return answer is not None and answer.responses[0].error_code is ErrorCode.none


async def ask(lives: "ClusterLives", request: Any) -> Any:
    """The answer of any broker, None without one."""
    client = Client(lives, "operator")
    try:
        return await client.ask(client.anyone(), request)
    except RETRIED:
        return None
    finally:
        client.close()


def _alter(resource_type: int, name: str, key: str, value: str | None) -> Any:
    api = schema("incremental_alter_configs", 1)
    change = api.AlterableConfig(name=key, config_operation=DELETE if value is None else SET, value=value)
    resource = api.AlterConfigsResource(resource_type=resource_type, resource_name=name, configs=(change,))
    return api.IncrementalAlterConfigsRequest(resources=(resource,), validate_only=False)
