"""Configurations of topics are described and changed."""

from typing import Any

from kio.schema.errors import ErrorCode

from tests.golden.case import Case, Place, Values
from tests.golden.data_cases import NO_TIME
from tests.golden.frames import containing
from tests.support.requests import request
from tests.support.wire_client import WireClient

TOPIC, BROKER = 2, 4
FROM_TOPIC = 1
LONG = 5
SET, DELETE, APPEND, SUBTRACT = range(4)


async def configured_topic(client: WireClient, place: Place) -> None:
    configs = {"retention.ms": "1234567", "segment.ms": "5000", "cleanup.policy": "compact"}
    place.topic_id = (await client.create_topics({place.name: 1}, configs=configs)).topics[0].topic_id


async def settings(client: WireClient, place: Place) -> dict[str, str]:
    """What is set for the topic itself."""
    resource = {"resource_type": TOPIC, "resource_name": place.name, "configuration_keys": None}
    response = await client.request(request("describe_configs", 4, resources=[resource]))
    return {each.name: each.value for each in response.results[0].configs if each.config_source == FROM_TOPIC}


def resource(place: Place, **more: Any) -> Values:
    return {"resource_type": TOPIC, "resource_name": place.name, **more}


def describe_configs(place: Place) -> Values:
    return {
        "resources": [resource(place, configuration_keys=["retention.ms"])], "include_synonyms": True,
        "include_documentation": True,
    }  # fmt: skip


def described_configs(place: Place) -> Values:
    synonyms = [{"name": "retention.ms", "value": "1234567", "source": FROM_TOPIC}]
    retention = {
        "name": "retention.ms", "value": "1234567", "read_only": False, "config_source": FROM_TOPIC,
        "is_sensitive": False, "synonyms": synonyms, "config_type": LONG,
        "documentation": lambda text: text is not None and len(text) > 20,
    }  # fmt: skip
    result = resource(place, error_code=ErrorCode.none, error_message="", configs=[retention])
    return {"throttle_time": NO_TIME, "results": [result]}


def alter_configs(place: Place, *, validate_only: bool = False) -> Values:
    configs = [{"name": "retention.ms", "value": "7000"}, {"name": "min.insync.replicas", "value": "1"}]
    return {"resources": [resource(place, configs=configs)], "validate_only": validate_only}


def validate_configs(place: Place) -> Values:
    return alter_configs(place, validate_only=True)


def altered_configs(place: Place) -> Values:
    result = resource(place, error_code=ErrorCode.none, error_message=None)
    return {"throttle_time": NO_TIME, "responses": [result]}


async def all_are_replaced(client: WireClient, place: Place) -> None:
    assert await settings(client, place) == {"retention.ms": "7000", "min.insync.replicas": "1"}


async def all_are_as_they_were(client: WireClient, place: Place) -> None:
    expected = {"retention.ms": "1234567", "segment.ms": "5000", "cleanup.policy": "compact"}
    assert await settings(client, place) == expected


def alter_incrementally(place: Place, *, validate_only: bool = False) -> Values:
    changes = (
        ("retention.ms", SET, "7000"),
        ("segment.ms", DELETE, None),
        ("cleanup.policy", APPEND, "delete"),
    )
    configs = [{"name": name, "config_operation": operation, "value": value} for name, operation, value in changes]
    return {"resources": [resource(place, configs=configs)], "validate_only": validate_only}


def validate_incrementally(place: Place) -> Values:
    return alter_incrementally(place, validate_only=True)


def subtract(place: Place) -> Values:
    change = {"name": "cleanup.policy", "config_operation": SUBTRACT, "value": "compact"}
    return {"resources": [resource(place, configs=[change])], "validate_only": False}


async def three_are_changed(client: WireClient, place: Place) -> None:
    assert await settings(client, place) == {"retention.ms": "7000", "cleanup.policy": "compact,delete"}


async def policy_is_empty(client: WireClient, place: Place) -> None:
    found = await settings(client, place)
    assert found == {"retention.ms": "1234567", "segment.ms": "5000", "cleanup.policy": ""}


def list_config_resources(_: Place) -> Values:
    return {"resource_types": [TOPIC, BROKER]}


def listed_config_resources(place: Place) -> Values:
    topic = {"resource_name": place.name, "resource_type": TOPIC}
    broker = {"resource_name": "1", "resource_type": BROKER}
    resources: Any = [] if place.version == 0 else containing(topic, broker)
    return {"throttle_time": NO_TIME, "error_code": ErrorCode.none, "config_resources": resources}


CONFIG_CASES = [
    Case("describe_configs", describe_configs, described_configs, configured_topic),
    Case("alter_configs", alter_configs, altered_configs, configured_topic, all_are_replaced),
    Case("alter_configs", validate_configs, altered_configs, configured_topic, all_are_as_they_were, "validate"),
    Case("incremental_alter_configs", alter_incrementally, altered_configs, configured_topic, three_are_changed),
    Case(
        "incremental_alter_configs", validate_incrementally, altered_configs, configured_topic, all_are_as_they_were,
        "validate",
    ),
    Case("incremental_alter_configs", subtract, altered_configs, configured_topic, policy_is_empty, "subtract"),
    Case("list_config_resources", list_config_resources, listed_config_resources, configured_topic),
]  # fmt: skip
