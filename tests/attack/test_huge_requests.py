"""Well-formed requests that ask for too much, or consist of far too much."""

from contextlib import suppress
from typing import Any

import pytest

from tests.attack.frames import framed, receive_frame
from tests.attack.siege import MIB, Siege
from tests.support.requests import request

PARTITIONS = 100_000
HUGE_GROWTH = 160 * MIB
"""The entities of a request and of its response for 100,000 partitions."""


def partitions_of(**values: Any) -> dict[str, Any]:
    return {"partitions": [{"partition_index": index, **values} for index in range(PARTITIONS)]}


HUGE: dict[str, tuple[int, dict[str, Any]]] = {
    "list_offsets": (
        7,
        {"replica_id": -1, "topics": [{"name": "stored", **partitions_of(timestamp=-1, current_leader_epoch=-1)}]},
    ),
    "offset_commit": (
        8,
        {
            "group_id": "g",
            "generation_id_or_member_epoch": -1,
            "topics": [
                {
                    "name": "stored",
                    **partitions_of(committed_offset=1, committed_leader_epoch=-1, committed_metadata="m"),
                }
            ],
        },
    ),
    "offset_fetch": (
        7,
        {"group_id": "g", "topics": [{"name": "stored", "partition_indexes": list(range(PARTITIONS))}]},
    ),
    "delete_groups": (2, {"groups_names": [f"group-{number}" for number in range(PARTITIONS)]}),
    "describe_groups": (5, {"groups": [f"group-{number}" for number in range(PARTITIONS)]}),
    "find_coordinator": (4, {"key_type": 0, "coordinator_keys": [f"group-{number}" for number in range(PARTITIONS)]}),
    "offset_for_leader_epoch": (
        4,
        {
            "replica_id": -1,
            "topics": [
                {"topic": "stored", "partitions": [{"partition": n, "leader_epoch": 0} for n in range(PARTITIONS)]}
            ],
        },
    ),
    "describe_producers": (0, {"topics": [{"name": "stored", "partition_indexes": list(range(PARTITIONS))}]}),
    "delete_records": (
        2,
        {"topics": [{"name": "unknown", **partitions_of(offset=0)}]},
    ),
    "describe_configs": (
        4,
        {
            "resources": [
                {"resource_type": 2, "resource_name": f"t{n}", "configuration_keys": None} for n in range(PARTITIONS)
            ]
        },
    ),
    "describe_topic_partitions": (
        0,
        {"topics": [{"name": f"t{n}"} for n in range(PARTITIONS)], "response_partition_limit": 2000},
    ),
    "create_topics": (
        7,
        {
            "validate_only": False,
            "topics": [
                {"name": f"t{n}", "num_partitions": -5, "replication_factor": 1, "assignments": [], "configs": []}
                for n in range(PARTITIONS // 10)
            ],
        },
    ),
    "elect_leaders": (
        2,
        {"election_type": 0, "topic_partitions": [{"topic": "stored", "partitions": list(range(PARTITIONS))}]},
    ),
    "delete_topics": (6, {"topics": [{"name": f"t{n}", "topic_id": None} for n in range(PARTITIONS // 10)]}),
    "metadata": (
        12,
        {
            "topics": [{"name": f"t{n}", "topic_id": None} for n in range(PARTITIONS // 10)],
            "allow_auto_topic_creation": False,
        },
    ),
    "create_partitions": (
        3,
        {
            "validate_only": False,
            "topics": [{"name": f"t{n}", "count": 5, "assignments": None} for n in range(PARTITIONS // 10)],
        },
    ),
}


@pytest.mark.parametrize("api", sorted(HUGE))
def test_a_huge_request_is_answered_and_holds_up_nobody(siege: Siege, api: str) -> None:
    version, values = HUGE[api]
    entity = request(api, version, **values)
    content = framed(entity)
    with siege.attack(f"{len(content) >> 10} KiB of {api}", growth_max=HUGE_GROWTH):
        with siege.connect() as connection:
            connection.sendall(content)
            with suppress(ConnectionError):
                receive_frame(connection)
