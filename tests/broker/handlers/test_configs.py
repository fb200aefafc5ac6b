"""Configurations of topics and brokers are described and changed, and a change counts at once."""

from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, encode_batch
from tests.support.requests import Address, answer, request, talk
from tests.support.wire_client import WireClient

TOPIC, BROKER, GROUP = 2, 4, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
FROM_TOPIC, FROM_BROKER, FROM_ALL_BROKERS, FROM_DEFAULT = 1, 2, 3, 5


def change(kind: int, name: str, *configs: tuple[str, int, str | None], validate_only: bool = False) -> Any:
    given = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in configs]
    resources = [{"resource_type": kind, "resource_name": name, "configs": given}]
    return request("incremental_alter_configs", 1, resources=resources, validate_only=validate_only)


async def described(client: WireClient, kind: int, name: str, *keys: str) -> dict[str, tuple[str | None, int]]:
    """Value and source by key."""
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": list(keys) or None}
    response = await client.request(request("describe_configs", 4, resources=[resource], include_synonyms=True))
    return {config.name: (config.value, config.config_source) for config in response.results[0].configs}


def test_a_topics_value_is_set_and_taken_back(broker_address: Address) -> None:
    async def script(client: WireClient) -> list[Any]:
        await client.create_topics({"tuned": 1})
        seen = [await described(client, TOPIC, "tuned", "segment.ms")]
        for operation in (("segment.ms", SET, "5000"), ("segment.ms", DELETE, None)):
            await client.request(change(TOPIC, "tuned", operation))
            seen.append(await described(client, TOPIC, "tuned", "segment.ms"))
        return [each["segment.ms"] for each in seen]

    week = ("604800000", FROM_DEFAULT)
    assert talk(broker_address, script) == [week, ("5000", FROM_TOPIC), week]


def test_words_are_added_to_a_list_and_taken_from_it(broker_address: Address) -> None:
    async def script(client: WireClient) -> list[str | None]:
        await client.create_topics({"listed": 1})
        seen = []
        for operation, word in ((APPEND, "compact"), (APPEND, "compact"), (SUBTRACT, "delete")):
            await client.request(change(TOPIC, "listed", ("cleanup.policy", operation, word)))
            seen.append((await described(client, TOPIC, "listed", "cleanup.policy"))["cleanup.policy"][0])
        return seen

    assert talk(broker_address, script) == ["delete,compact", "delete,compact", "compact"]


def test_the_older_request_replaces_everything_that_was_set(broker_address: Address) -> None:
    async def script(client: WireClient) -> dict[str, tuple[str | None, int]]:
        await client.create_topics({"replaced": 1}, configs={"segment.ms": "5000", "retention.ms": "6000"})
        configs = [{"name": "retention.ms", "value": "7000"}]
        resource = {"resource_type": TOPIC, "resource_name": "replaced", "configs": configs}
        await client.request(request("alter_configs", 2, resources=[resource]))
        return await described(client, TOPIC, "replaced", "segment.ms", "retention.ms")

    assert talk(broker_address, script) == {
        "segment.ms": ("604800000", FROM_DEFAULT),
        "retention.ms": ("7000", FROM_TOPIC),
    }


def test_validation_alone_changes_nothing(broker_address: Address) -> None:
    async def script(client: WireClient) -> tuple[Any, Any]:
        await client.create_topics({"untouched": 1})
        answered = await client.request(change(TOPIC, "untouched", ("segment.ms", SET, "5"), validate_only=True))
        return answer(answered), await described(client, TOPIC, "untouched", "segment.ms")

    answered, found = talk(broker_address, script)
    assert answered[0] is ErrorCode.none
    assert found["segment.ms"] == ("604800000", FROM_DEFAULT)


def test_a_topics_new_limit_holds_for_the_next_batch(broker_address: Address) -> None:
    batch = encode_batch([Record(0, 1_750_000_000_000, None, b"v" * 500)])

    async def script(client: WireClient) -> list[ErrorCode]:
        await client.create_topics({"limited": 1})
        seen = [(await client.produce("limited", 0, batch)).error_code]
        for value in ("100", "5000"):
            await client.request(change(TOPIC, "limited", ("max.message.bytes", SET, value)))
            seen.append((await client.produce("limited", 0, batch)).error_code)
        return seen

    assert talk(broker_address, script) == [ErrorCode.none, ErrorCode.message_too_large, ErrorCode.none]


@pytest.mark.parametrize(("name", "source"), [("", FROM_ALL_BROKERS), ("1", FROM_BROKER)])
def test_a_brokers_new_default_reaches_topics_that_have_none_of_their_own(
    broker_address: Address, name: str, source: int
) -> None:
    topic = f"follows-{source}"

    async def script(client: WireClient) -> list[Any]:
        await client.create_topics({topic: 1})
        seen = []
        for operation in (("log.index.interval.bytes", SET, "1234"), ("log.index.interval.bytes", DELETE, None)):
            assert answer(await client.request(change(BROKER, name, operation)))[0] is ErrorCode.none
            seen.append((await described(client, TOPIC, topic, "index.interval.bytes"))["index.interval.bytes"])
            seen.append((await described(client, BROKER, "1", "log.index.interval.bytes"))["log.index.interval.bytes"])
        return seen

    assert talk(broker_address, script) == [("1234", source)] * 2 + [("4096", FROM_DEFAULT)] * 2


def test_the_default_of_all_brokers_lists_only_what_was_set(broker_address: Address) -> None:
    async def script(client: WireClient) -> dict[str, tuple[str | None, int]]:
        await client.request(change(BROKER, "", ("log.roll.jitter.ms", SET, "17")))
        found = await described(client, BROKER, "")
        await client.request(change(BROKER, "", ("log.roll.jitter.ms", DELETE, None)))
        return found

    assert talk(broker_address, script)["log.roll.jitter.ms"] == ("17", FROM_ALL_BROKERS)


def test_documentation_and_types_come_when_asked_for(broker_address: Address) -> None:
    resource = {"resource_type": BROKER, "resource_name": "1", "configuration_keys": ["num.partitions"]}
    asked = request("describe_configs", 4, resources=[resource], include_documentation=True)
    (config,) = talk(broker_address, lambda client: client.request(asked)).results[0].configs

    assert (config.config_type, config.read_only) == (3, True)
    assert config.documentation == "Partitions of a topic that is created without a number."
    assert config.synonyms == ()


def test_resources_with_a_configuration_are_listed(broker_address: Address) -> None:
    async def script(client: WireClient) -> Any:
        await client.create_topics({"listed-resource": 1})
        return await client.request(request("list_config_resources", 1, resource_types=[]))

    found = [(each.resource_type, each.resource_name) for each in talk(broker_address, script).config_resources]
    assert (TOPIC, "listed-resource") in found
    assert (BROKER, "1") in found
