"""CreatePartitions (API key 37), versions 0-3.

1: throttle time before the answer. 2: flexible. 3: quota. A topic named twice is refused, once.
"""

from collections import Counter
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost, within
from odradek.broker.call import Call
from odradek.cluster.results import MetadataUnavailable, NewPartitions, PartitionsResult


async def handle(broker: AdminHost, call: Call) -> Any:
    request = call.request
    counts = Counter(topic.name for topic in request.topics)
    wanted = [_growth(topic) for topic in request.topics if counts[topic.name] == 1]
    try:
        results = await within(request.timeout, _grow(broker, wanted, request.validate_only))
    except (TimeoutError, MetadataUnavailable):
        message = "The request timed out."
        results = [PartitionsResult(each.name, ErrorCode.request_timed_out, message) for each in wanted]
    for name in (name for name, count in counts.items() if count > 1):
        results.append(PartitionsResult(name, ErrorCode.invalid_request, "Duplicate topic name."))
    return call.types.CreatePartitionsResponse(
        results=tuple(
            call.types.CreatePartitionsTopicResult(name=each.name, error_code=each.error, error_message=_message(each))
            for each in results
        )
    )


async def _grow(broker: AdminHost, growths: list[NewPartitions], validate_only: bool) -> list[PartitionsResult]:
    results = await broker.cluster.create_partitions(growths, validate_only=validate_only)
    await broker.replicas.settled()
    return list(results)


def _growth(topic: Any) -> NewPartitions:
    given = topic.assignments
    assignments = None if given is None else [tuple(each.broker_ids) for each in given]
    return NewPartitions(topic.name, topic.count, assignments)


def _message(result: PartitionsResult) -> str | None:
    """An unknown topic needs no words."""
    return None if result.error is ErrorCode.unknown_topic_or_partition else result.message
