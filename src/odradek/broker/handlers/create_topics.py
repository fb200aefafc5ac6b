"""CreateTopics (API key 19), versions 2-7.

3: throttle time before the answer. 4: -1 asks for the default partitions and replication factor (KIP-464). 5: flexible,
the answer has the topic's configuration (KIP-525). 6: quota. 7: the topic's id.

A topic named twice is refused, once. The answer comes when this broker's image has the topics and their logs exist.
"""

from collections import Counter
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost, within
from odradek.broker.call import Call
from odradek.cluster.results import MetadataUnavailable, NewTopic, TopicResult
from odradek.config.describe import Described, describe_topic

METADATA_TOPIC = "__cluster_metadata"
"""Where Kafka keeps what the metadata store has here; clients take the name for internal."""


async def handle(broker: AdminHost, call: Call) -> Any:
    request = call.request
    counts = Counter(topic.name for topic in request.topics)
    wanted = [_new_topic(topic) for topic in request.topics if counts[topic.name] == 1 and topic.name != METADATA_TOPIC]
    try:
        results = await within(request.timeout, _create(broker, wanted, request.validate_only))
    except (TimeoutError, MetadataUnavailable):
        message = "The request timed out."
        results = [TopicResult(topic.name, ErrorCode.request_timed_out, message) for topic in wanted]
    results += [_refused(name, counts) for name in counts if name == METADATA_TOPIC or counts[name] > 1]
    topics = tuple(_result(broker, call, result) for result in results)
    return call.types.CreateTopicsResponse(topics=topics)


def _refused(name: str, counts: Counter[str]) -> TopicResult:
    message = "Duplicate topic name."
    if counts[name] == 1:
        message = f"Creation of internal topic {METADATA_TOPIC} is prohibited."
    return TopicResult(name, ErrorCode.invalid_request, message)


async def _create(broker: AdminHost, topics: list[NewTopic], validate_only: bool) -> list[TopicResult]:
    results = await broker.cluster.create_topics(topics, validate_only=validate_only)
    await broker.replicas.settled()
    return list(results)


def _new_topic(topic: Any) -> NewTopic:
    return NewTopic(
        topic.name,
        topic.num_partitions,
        topic.replication_factor,
        [(each.partition_index, tuple(each.broker_ids)) for each in topic.assignments],
        {config.name: config.value for config in topic.configs},
    )


def _result(broker: AdminHost, call: Call, result: TopicResult) -> Any:
    created = result.error is ErrorCode.none
    configs = describe_topic(broker.config, result.configs) if created else ()
    return call.types.CreatableTopicResult(
        name=result.name,
        topic_id=result.topic_id if created else None,
        error_code=result.error,
        error_message=result.message,
        topic_config_error_code=ErrorCode.none.value,
        num_partitions=result.num_partitions if created else -1,
        replication_factor=result.replication_factor if created else -1,
        configs=tuple(_config(call, each) for each in configs),
    )


def _config(call: Call, described: Described) -> Any:
    return call.types.CreatableTopicConfigs(
        name=described.option.name,
        value=described.value,
        read_only=described.read_only,
        config_source=described.source.value,
        is_sensitive=described.option.sensitive,
    )
