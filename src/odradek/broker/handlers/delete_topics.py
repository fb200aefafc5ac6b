"""DeleteTopics (API key 20), versions 1-6.

3: TOPIC_DELETION_DISABLED. 4: flexible. 5: messages. 6: topics by name or by id (KIP-516).

A topic asked for twice, by whatever means, is refused.
"""

from collections import Counter
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost, within
from odradek.broker.call import Call
from odradek.cluster.ids import ZERO_UUID
from odradek.cluster.image import ClusterImage
from odradek.cluster.results import DeleteResult, MetadataUnavailable

Asked = tuple[str | None, UUID]
DELETION_DISABLED_FROM = 3


async def handle(broker: AdminHost, call: Call) -> Any:
    asked = _asked(call.request)
    if not broker.config.get("delete.topic.enable"):
        return _response(call, [_disabled(call.version, *each) for each in asked])
    good, refused = _sort_out(asked, broker.cluster.image)
    try:
        deleted = await within(call.request.timeout, broker.cluster.delete_topics(good))
    except (TimeoutError, MetadataUnavailable):
        deleted = [_timed_out(each) for each in good]
    return _response(call, [*deleted, *refused])


def _asked(request: Any) -> list[Asked]:
    if hasattr(request, "topic_names"):
        return [(name, ZERO_UUID) for name in request.topic_names]
    return [(topic.name, topic.topic_id or ZERO_UUID) for topic in request.topics]


def _sort_out(asked: list[Asked], image: ClusterImage) -> tuple[list[str | UUID], list[DeleteResult]]:
    """What to delete, by name or id, and what is refused."""
    good: list[str | UUID] = []
    refused: list[DeleteResult] = []
    counts = Counter(asked)
    ids = {topic_id for name, topic_id in asked if name is None}
    for (name, topic_id), count in counts.items():
        problem = _problem(name, topic_id, count)
        topic = image.topics.get(name) if name is not None else None
        if problem is None and topic is not None and topic.topic_id in ids:
            problem, topic_id = "The provided topic name maps to an ID that was already supplied.", topic.topic_id
        if problem is not None:
            refused.append(DeleteResult(name, topic_id, ErrorCode.invalid_request, problem))
        elif name is None or (topic is not None and topic.topic_id in ids):
            good.append(topic_id)
        else:
            good.append(name)
    return _without_twins(good, refused, image)


def _without_twins(
    good: list[str | UUID], refused: list[DeleteResult], image: ClusterImage
) -> tuple[list[str | UUID], list[DeleteResult]]:
    """An id whose topic was refused under its name is not deleted either, and is answered once."""
    twins = {result.topic_id for result in refused if result.name is not None}
    return [each for each in good if not isinstance(each, UUID) or each not in twins], refused


def _problem(name: str | None, topic_id: UUID, count: int) -> str | None:
    if name is None and topic_id == ZERO_UUID:
        return "Neither topic name nor id were specified."
    if name is not None and topic_id != ZERO_UUID:
        return "You may not specify both topic name and topic id."
    if count > 1:
        return "Duplicate topic name." if name is not None else "Duplicate topic id."
    return None


def _timed_out(asked: str | UUID) -> DeleteResult:
    error, message = ErrorCode.request_timed_out, "The request timed out."
    if isinstance(asked, UUID):
        return DeleteResult(None, asked, error, message)
    return DeleteResult(asked, ZERO_UUID, error, message)


def _disabled(version: int, name: str | None, topic_id: UUID) -> DeleteResult:
    old = version < DELETION_DISABLED_FROM
    error = ErrorCode.invalid_request if old else ErrorCode.topic_deletion_disabled
    return DeleteResult(name, topic_id, error, "Topic deletion is disabled.")


def _response(call: Call, results: list[DeleteResult]) -> Any:
    named_always = call.version < 6
    return call.types.DeleteTopicsResponse(
        responses=tuple(
            call.types.DeletableTopicResult(
                name=result.name or "" if named_always else result.name,
                topic_id=None if result.topic_id == ZERO_UUID else result.topic_id,
                error_code=result.error,
                error_message=result.message,
            )
            for result in results
        )
    )
