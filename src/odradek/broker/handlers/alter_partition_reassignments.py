"""AlterPartitionReassignments (API key 45), versions 0-1 (KIP-455).

1: the client says whether the number of replicas may change (KIP-860; before: yes). Null replicas cancel what is under
way. Each partition is decided by itself and in order; the answer comes when this broker's image has what was begun.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost, within
from odradek.broker.call import Call
from odradek.cluster.reassignments import Reassignment
from odradek.cluster.results import MetadataUnavailable, ReassignmentResult, refusal
from odradek.host.pace import paced


async def handle(broker: AdminHost, call: Call) -> Any:
    request = call.request
    wanted = [each async for each in paced(_wanted(request))]
    error, message = ErrorCode.none, None
    try:
        results = await within(request.timeout, broker.cluster.alter_reassignments(wanted))
    except (TimeoutError, MetadataUnavailable):
        refused = refusal(ErrorCode.request_timed_out)
        error, message = refused.error, refused.message
        results = [ReassignmentResult(each.topic, each.partition, error, message) for each in wanted]
    return await _response(call, results, error, message)


def _wanted(request: Any) -> list[Reassignment]:
    may_change_factor = getattr(request, "allow_replication_factor_change", True)
    return [
        Reassignment(
            topic.name,
            each.partition_index,
            None if each.replicas is None else tuple(each.replicas),
            may_change_factor,
        )
        for topic in request.topics
        for each in topic.partitions
    ]


async def _response(call: Call, results: list[ReassignmentResult], error: ErrorCode, message: str | None) -> Any:
    """Topics as they were asked for: one that is in the request twice is in the answer twice."""
    types, remaining, topics = call.types, iter(results), []
    for topic in call.request.topics:
        partitions = []
        async for _ in paced(topic.partitions):
            each = next(remaining)
            partitions.append(
                types.ReassignablePartitionResponse(
                    partition_index=each.partition, error_code=each.error, error_message=each.message
                )
            )
        topics.append(types.ReassignableTopicResponse(name=topic.name, partitions=tuple(partitions)))
    return types.AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=getattr(call.request, "allow_replication_factor_change", True),
        error_code=error,
        error_message=message,
        responses=tuple(topics),
    )
