"""Resources that have a configuration: their types in the protocol, and changing them (KIP-133, KIP-339)."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.cluster.results import ConfigResult, MetadataUnavailable


class ResourceType(IntEnum):
    """Numbered as in the protocol."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


ALTERABLE = {ResourceType.TOPIC: "topic", ResourceType.BROKER: "broker", ResourceType.GROUP: "group"}
"""Types whose configuration can be changed, with the cluster's name for each."""

Change = Callable[[Any], Awaitable[ConfigResult]]


async def alter_each(broker: AdminHost, call: Call, change: Change) -> tuple[Any, ...]:
    """One response per resource, in order; a resource that is asked for twice is refused each time."""
    resources: Sequence[Any] = call.request.resources
    counts = Counter((each.resource_type, each.resource_name) for each in resources)
    responses = []
    for resource in resources:
        if counts[resource.resource_type, resource.resource_name] > 1:
            result = ConfigResult(ErrorCode.invalid_request, "Each resource must appear at most once.")
        else:
            result = refused(broker, resource) or await _changed(change, resource)
        responses.append(_response(call, resource, result))
    return tuple(responses)


def refused(broker: AdminHost, resource: Any) -> ConfigResult | None:
    """What can be said without looking at the values."""
    kind, name = resource.resource_type, resource.resource_name
    if kind not in ALTERABLE:
        return ConfigResult(ErrorCode.invalid_request, f"Unknown resource type {kind}")
    if kind == ResourceType.BROKER and name:
        problem = broker_name_problem(name, broker.node_id)
        return None if problem is None else ConfigResult(ErrorCode.invalid_request, problem)
    return None


def broker_name_problem(name: str, node_id: int) -> str | None:
    """A broker takes changes for itself and for all, not for another one."""
    try:
        number = int(name)
    except ValueError:
        return f"Node id must be an integer, but it is: {name}"
    return None if number == node_id else f"Unexpected broker id, expected {node_id}, but received {name}"


async def _changed(change: Change, resource: Any) -> ConfigResult:
    try:
        return await change(resource)
    except MetadataUnavailable:
        return ConfigResult(ErrorCode.request_timed_out, "The request timed out.")


def _response(call: Call, resource: Any, result: ConfigResult) -> Any:
    return call.types.AlterConfigsResourceResponse(
        error_code=result.error,
        error_message=result.message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
    )
