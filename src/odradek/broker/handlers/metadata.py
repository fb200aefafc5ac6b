"""Metadata (API key 3), versions 0-13.

0: an empty list asks for all topics, and replicas that are away are left out. 1: null asks for all, an empty list for
none; controller, racks, internal topics. 2: cluster id. 3: throttle time. 4: the client says whether topics may be
created (before: yes). 5: offline replicas. 6: LISTENER_NOT_FOUND. 7: leader epochs. 8: authorized operations, of the
cluster up to 10 (KIP-430). 9: flexible. 10: topic ids in answers. 12: topics asked for by id (KIP-516). 13: an error
code of the whole answer (KIP-1102), always none: nobody has to start over.

The answer is bytes: see `topic_metadata`.
"""

from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import CLUSTER_OPERATIONS, TOPIC_OPERATIONS, AdminHost, within
from odradek.broker.call import Call
from odradek.broker.handlers.create_topics import METADATA_TOPIC
from odradek.broker.topic_metadata import INTERNAL_TOPICS
from odradek.cluster.ids import ZERO_UUID
from odradek.cluster.names import topic_name_problem
from odradek.cluster.results import MetadataUnavailable, NewTopic
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.wire.metadata_codec import NO_OPERATIONS, metadata_response, metadata_topic

TOPIC_IDS_FROM = 12
NO_CONTROLLER = -1
AUTO_CREATE_TIMEOUT = timedelta(seconds=10)
"""How long a client waits for a topic it made by asking for it; then it is told to ask again."""


def handle(broker: AdminHost, call: Call) -> bytes | Coroutine[Any, Any, bytes]:
    asked = call.request.topics
    if asked is None or (call.version == 0 and not asked):
        return broker.topic_metadata.all_topics(call.version, call.listener, *_operations(call))
    if call.version < TOPIC_IDS_FROM and any(_has_id(each) or each.name is None for each in asked):
        return _refused(call, ErrorCode.invalid_request)
    ids = dict.fromkeys(each.topic_id for each in asked if _has_id(each))
    if ids:
        return _by_id(broker, call, list(ids))
    if any(each.name is None for each in asked):
        return _refused(call, ErrorCode.invalid_request)
    names = list(dict.fromkeys(each.name for each in asked))
    creatable = _creatable(broker, call, names)
    return _create_and_answer(broker, call, names, creatable) if creatable else _by_name(broker, call, names)


def _by_id(broker: AdminHost, call: Call, ids: list[UUID]) -> bytes:
    """When any id is given, names are not looked at."""
    image = broker.cluster.image
    operations, cluster_operations = _operations(call)
    view = (call.version, call.listener, operations)
    topics = []
    for topic_id in ids:
        topic = image.topics_by_id.get(topic_id)
        if topic is None:
            topics.append(_unavailable(call, None, ErrorCode.unknown_topic_id, topic_id))
        else:
            topics.append(broker.topic_metadata.topic(image, topic, view))
    return broker.topic_metadata.response(call.version, call.listener, topics, cluster_operations)


def _by_name(broker: AdminHost, call: Call, names: list[str]) -> bytes:
    image = broker.cluster.image
    operations, cluster_operations = _operations(call)
    view = (call.version, call.listener, operations)
    topics = []
    for name in names:
        topic = image.topics.get(name)
        if topic is None:
            topics.append(_unavailable(call, name, _why_missing(name)))
        else:
            topics.append(broker.topic_metadata.topic(image, topic, view))
    return broker.topic_metadata.response(call.version, call.listener, topics, cluster_operations)


async def _create_and_answer(broker: AdminHost, call: Call, names: list[str], creatable: list[str]) -> bytes:
    """A topic that could not be made in time is unknown for now; the client asks again."""
    with suppress(TimeoutError, MetadataUnavailable):
        await within(AUTO_CREATE_TIMEOUT, _create(broker, creatable))
    return _by_name(broker, call, names)


async def _create(broker: AdminHost, names: list[str]) -> None:
    """With the brokers' defaults; the offsets topic with its own."""
    if OFFSETS_TOPIC in names:
        await broker.groups.topic.ensure()
    await broker.cluster.create_topics([NewTopic(name) for name in names if name != OFFSETS_TOPIC])
    await broker.replicas.settled()


def _creatable(broker: AdminHost, call: Call, names: list[str]) -> list[str]:
    """Topics to make: missing, with a name that is allowed, and not internal ones that nobody here would use."""
    if not broker.config.get("auto.create.topics.enable"):
        return []
    if not getattr(call.request, "allow_auto_topic_creation", True):
        return []
    image = broker.cluster.image
    missing = [name for name in names if name not in image.topics and topic_name_problem(name) is None]
    return [name for name in missing if name == OFFSETS_TOPIC or name not in (*INTERNAL_TOPICS, METADATA_TOPIC)]


def _why_missing(name: str) -> ErrorCode:
    if topic_name_problem(name) is not None:
        return ErrorCode.invalid_topic_exception
    return ErrorCode.unknown_topic_or_partition


def _unavailable(call: Call, name: str | None, error: ErrorCode, topic_id: UUID = ZERO_UUID) -> bytes:
    return metadata_topic(call.version, error, name, topic_id, name in INTERNAL_TOPICS, (), NO_OPERATIONS)


def _refused(call: Call, error: ErrorCode) -> bytes:
    """The request makes no sense: every topic of it gets the error."""
    topics = [_unavailable(call, each.name or "", error, _topic_id(each)) for each in call.request.topics]
    return metadata_response(call.version, (), None, NO_CONTROLLER, topics)


def _operations(call: Call) -> tuple[int, int]:
    """Of each topic and of the cluster, where asked for."""
    of_topics = getattr(call.request, "include_topic_authorized_operations", False)
    of_cluster = getattr(call.request, "include_cluster_authorized_operations", False)
    return TOPIC_OPERATIONS if of_topics else NO_OPERATIONS, CLUSTER_OPERATIONS if of_cluster else NO_OPERATIONS


def _topic_id(asked: Any) -> UUID:
    return getattr(asked, "topic_id", None) or ZERO_UUID


def _has_id(asked: Any) -> bool:
    return _topic_id(asked) != ZERO_UUID
