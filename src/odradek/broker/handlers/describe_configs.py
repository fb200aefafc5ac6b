"""DescribeConfigs (API key 32), versions 1-4.

1: sources and synonyms (KIP-226). 2: throttle time before the answer. 3: types and documentation (KIP-569).
4: flexible. Topics, this broker, the default of all brokers (an empty name), groups; no keys, or null, ask for all.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.broker.config_resources import ResourceType
from odradek.cluster.names import topic_name_problem
from odradek.config.describe import (
    Described,
    describe_broker,
    describe_cluster_default,
    describe_group,
    describe_topic,
)
from odradek.host.pace import paced

MALFORMED = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details."
)
NO_MESSAGE = ""
"""What stands beside an error that needs no words, and beside no error."""

Refused = tuple[ErrorCode, str]


async def handle(broker: AdminHost, call: Call) -> Any:
    resources = call.request.resources
    known = {each.value for each in ResourceType}
    if any(resource.resource_type not in known for resource in resources):
        results = [_result(call, resource, (ErrorCode.invalid_request, MALFORMED)) for resource in resources]
    else:
        results = [_result(call, each, _describe(broker, each)) async for each in paced(resources)]
    return call.types.DescribeConfigsResponse(results=tuple(results))


def _describe(broker: AdminHost, resource: Any) -> list[Described] | Refused:
    name = resource.resource_name
    if resource.resource_type == ResourceType.TOPIC:
        return _describe_topic(broker, name)
    if resource.resource_type == ResourceType.BROKER:
        return _describe_broker(broker, name)
    if resource.resource_type == ResourceType.GROUP:
        if not name:
            return ErrorCode.invalid_request, "Group name must not be empty"
        return describe_group(broker.cluster.image.config("group", name))
    kind = ResourceType(resource.resource_type).name
    return ErrorCode.invalid_request, f"Unexpected resource type {kind} for resource {name}"


def _describe_topic(broker: AdminHost, name: str) -> list[Described] | Refused:
    if (problem := topic_name_problem(name)) is not None:
        return ErrorCode.invalid_topic_exception, problem
    topic = broker.cluster.image.topics.get(name)
    if topic is None:
        return ErrorCode.unknown_topic_or_partition, NO_MESSAGE
    return describe_topic(broker.config, topic.configs)


def _describe_broker(broker: AdminHost, name: str) -> list[Described] | Refused:
    if not name:
        return describe_cluster_default(broker.config)
    try:
        number = int(name)
    except ValueError:
        return ErrorCode.invalid_request, f"Broker id must be an integer, but it is: {name}"
    if number != broker.node_id:
        message = f"Unexpected broker id, expected {broker.node_id} or empty string, but received {name}"
        return ErrorCode.invalid_request, message
    return describe_broker(broker.config)


def _result(call: Call, resource: Any, found: list[Described] | Refused) -> Any:
    error, message = (ErrorCode.none, NO_MESSAGE) if isinstance(found, list) else found
    described = found if isinstance(found, list) else []
    keys = resource.configuration_keys
    return call.types.DescribeConfigsResult(
        error_code=error,
        error_message=message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=tuple(_option(call, each) for each in described if not keys or each.option.name in keys),
    )


def _option(call: Call, described: Described) -> Any:
    option, request, types = described.option, call.request, call.types
    synonyms = described.synonyms if request.include_synonyms else ()
    return types.DescribeConfigsResourceResult(
        name=option.name,
        value=described.value,
        read_only=described.read_only,
        config_source=described.source.value,
        is_sensitive=option.sensitive,
        synonyms=tuple(
            types.DescribeConfigsSynonym(name=each.name, value=each.value, source=each.source.value)
            for each in synonyms
        ),
        config_type=option.type.value,
        documentation=option.doc if getattr(request, "include_documentation", False) else None,
    )
