"""Each version of each metadata and admin request is answered, without an error, in that version's form."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.apis import APIS
from tests.support.requests import answer, request
from tests.support.wire_client import WireClient

TOPIC = "every-version"
MINIMAL: dict[str, dict[str, Any]] = {
    "metadata": {"topics": []},
    "describe_topic_partitions": {"topics": []},
    "describe_cluster": {},
    "create_topics": {"validate_only": True, "topics": [{"name": "new", "num_partitions": 1, "replication_factor": 1}]},
    "delete_topics": {},
    "create_partitions": {"validate_only": True, "topics": [{"name": TOPIC, "count": 2, "assignments": None}]},
    "describe_configs": {"resources": [{"resource_type": 2, "resource_name": TOPIC}]},
    "alter_configs": {"validate_only": True, "resources": [{"resource_type": 2, "resource_name": TOPIC}]},
    "incremental_alter_configs": {"validate_only": True, "resources": [{"resource_type": 2, "resource_name": TOPIC}]},
    "describe_log_dirs": {"topics": None},
    "elect_leaders": {"topic_partitions": []},
    "list_config_resources": {},
    "alter_partition_reassignments": {"topics": []},
    "list_partition_reassignments": {"topics": None},
}


def versions() -> Iterator[tuple[str, int]]:
    for api in APIS:
        if api.name in MINIMAL:
            yield from ((api.name, version) for version in range(api.min_version, api.max_version + 1))


@pytest.mark.parametrize(("api", "version"), list(versions()))
def test_a_version_is_answered_in_its_own_form(broker_address: tuple[str, int], api: str, version: int) -> None:
    async def ask() -> Any:
        async with await WireClient.connect(*broker_address) as client:
            await client.create_topics({TOPIC: 1})
            return await client.request(request(api, version, **MINIMAL[api]))

    response = asyncio.run(ask())
    assert response.__version__ == version
    assert answer(response)[0] is ErrorCode.none


def test_all_advertised_requests_of_this_kind_are_covered() -> None:
    covered = {api for api, _ in versions()}
    assert covered == set(MINIMAL)
