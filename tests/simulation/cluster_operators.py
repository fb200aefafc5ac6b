"""What operators do to a simulated cluster, also while it is in trouble: move replicas, drain brokers, change settings.

Whether a request gets through is left to chance; what it began is finished, or taken back, by the cluster.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from tests.simulation.cluster_clients import RETRIED, RETRY_SECONDS, Client
from tests.support.wire_client import schema

if TYPE_CHECKING:
    from tests.simulation.cluster_lives import ClusterLives

TOPIC = "flights"
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4
SET, DELETE = 0, 1
DRAINING = "odradek.draining.brokers"
DRAINED_SECONDS = (1.0, 5.0, 20.0)
REQUEST_TIMEOUT = timedelta(seconds=3)


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


async def undo(lives: "ClusterLives") -> None:
    """Nothing is drained, and every topic may be written, once this has got through."""
    for change in (
        _alter(BROKER_RESOURCE, "", DRAINING, None),
        _alter(TOPIC_RESOURCE, TOPIC, "min.insync.replicas", "1"),
    ):
        while not is_done(await ask(lives, change)):  # noqa: ASYNC110
            await asyncio.sleep(RETRY_SECONDS)


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
