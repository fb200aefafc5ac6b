"""ElectLeaders (API key 43), versions 0-2 (KIP-460).

0: preferred replicas only. 1: the type of election, an error of the whole answer. 2: flexible. Null asks for all
partitions; then those that need no election are left out of their topics.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost, within
from odradek.broker.call import Call
from odradek.cluster.image import ClusterImage
from odradek.cluster.results import ElectionResult, ElectionType, MetadataUnavailable
from odradek.host.pace import paced

Asked = list[tuple[str, tuple[int, ...]]]
ELECTION_TYPES = {each.value: each for each in ElectionType}


async def handle(broker: AdminHost, call: Call) -> Any:
    request = call.request
    image = broker.cluster.image
    asked = _asked(request, image)
    number = getattr(request, "election_type", ElectionType.PREFERRED.value)
    election = ELECTION_TYPES.get(number)
    if election is None:
        return await _refused(call, asked, ErrorCode.invalid_request, f"Unknown election type {number}")
    known = [
        (topic, index)
        for topic, indexes in asked
        async for index in paced(indexes)
        if image.partition(topic, index) is not None
    ]
    whole = request.topic_partitions is None
    try:
        results = await within(request.timeout, broker.cluster.elect_leaders(election, None if whole else known))
    except (TimeoutError, MetadataUnavailable):
        return await _refused(call, asked, ErrorCode.request_timed_out, "The request timed out.")
    return await _response(call, await _answers(asked, results, image, whole))


def _asked(request: Any, image: ClusterImage) -> Asked:
    if request.topic_partitions is None:
        return [(topic.name, tuple(range(len(topic.partitions)))) for topic in image.topics.values()]
    return [(each.topic, tuple(each.partitions)) for each in request.topic_partitions]


async def _answers(
    asked: Asked, results: list[ElectionResult], image: ClusterImage, whole: bool
) -> list[tuple[str, list[ElectionResult]]]:
    found = {(result.topic, result.partition): result for result in results}
    answers = []
    for topic, indexes in asked:
        each = [found.get((topic, index)) or _unknown(image, topic, index) async for index in paced(indexes)]
        if whole:
            each = [
                one
                for one in each
                if one.error is not ErrorCode.election_not_needed and (topic, one.partition) in found
            ]
        answers.append((topic, each))
    return answers


def _unknown(image: ClusterImage, topic: str, index: int) -> ElectionResult:
    message = f"No such partition as {topic}-{index}" if topic in image.topics else f"No such topic as {topic}"
    return ElectionResult(topic, index, ErrorCode.unknown_topic_or_partition, message)


async def _refused(call: Call, asked: Asked, error: ErrorCode, message: str) -> Any:
    results = [(topic, [ElectionResult(topic, index, error, message) for index in indexes]) for topic, indexes in asked]
    return await _response(call, results, error)


async def _response(
    call: Call, answers: list[tuple[str, list[ElectionResult]]], error: ErrorCode = ErrorCode.none
) -> Any:
    types, topics = call.types, []
    for topic, results in answers:
        partitions = [
            types.PartitionResult(partition_id=one.partition, error_code=one.error, error_message=one.message)
            async for one in paced(results)
        ]
        topics.append(types.ReplicaElectionResult(topic=topic, partition_result=tuple(partitions)))
    return types.ElectLeadersResponse(error_code=error, replica_election_results=tuple(topics))
