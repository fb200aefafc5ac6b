"""FindCoordinator (API key 10), versions 0-6.

0: a group. 1: key types, throttle time, error message. 3: flexible. 4: several keys. 5: an error newer clients know.
6: share groups (KIP-932), which are not served.

There is no transaction coordinator: asking for one is answered with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, which every
client takes as final.
"""

from typing import Any, NamedTuple

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.config.broker_groups import OFFSETS_TOPIC
from odradek.host.pace import paced

BATCH_SINCE = 4
GROUP, TRANSACTION = 0, 1
NO_TRANSACTIONS = "This broker has no transaction coordinator: transactions are not supported."


NO_ERROR = "NONE"
"""The message of a success that is asked for alone. Of several, each success has an empty one."""


class _Found(NamedTuple):
    error: ErrorCode
    message: str = ""
    node_id: int = -1
    host: str = ""
    port: int = -1


async def handle(broker: GroupHost, call: Call) -> Any:
    """The first one to ask for a group's coordinator waits until `__consumer_offsets` has been made and is served."""
    request, types = call.request, call.types
    key_type = getattr(request, "key_type", GROUP)
    if call.version >= BATCH_SINCE:
        found = [
            _coordinator(types, key, await _find(broker, call, key_type, key))
            async for key in paced(request.coordinator_keys)
        ]
        return types.FindCoordinatorResponse(coordinators=tuple(found))
    single = await _find(broker, call, key_type, request.key)
    return types.FindCoordinatorResponse(
        error_code=single.error,
        error_message=single.message or NO_ERROR,
        node_id=single.node_id,
        host=single.host,
        port=single.port,
    )


def _coordinator(types: Any, key: str, found: _Found) -> Any:
    return types.Coordinator(
        key=key,
        node_id=found.node_id,
        host=found.host,
        port=found.port,
        error_code=found.error,
        error_message=found.message,
    )


async def _find(broker: GroupHost, call: Call, key_type: int, key: str) -> _Found:
    if key_type == TRANSACTION:
        return _Found(ErrorCode.transactional_id_authorization_failed, NO_TRANSACTIONS)
    if key_type != GROUP:
        return _Found(ErrorCode.invalid_request, f"Coordinators of type {key_type} are not served.")
    if not await broker.groups.topic.ensure():
        return _Found(ErrorCode.coordinator_not_available, "The coordinator is not available.")
    found = _leader(broker, call.listener, broker.groups.partition_for(key))
    if found.node_id == broker.node_id:
        await broker.groups.wait_for_shard(key)
    return found


def _leader(broker: GroupHost, listener: str, index: int) -> _Found:
    image = broker.cluster.image
    partition = image.partition(OFFSETS_TOPIC, index)
    leader = image.brokers.get(partition.leader) if partition is not None else None
    endpoint = leader.endpoint(listener) if leader is not None and not leader.fenced else None
    if leader is None or endpoint is None:
        return _Found(ErrorCode.coordinator_not_available, "The coordinator is not available.")
    return _Found(ErrorCode.none, "", leader.broker_id, endpoint.host, endpoint.port)
