"""The scenarios that run through fewer than three libraries still have their reason."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka.admin import AdminClient
from kafka.admin import KafkaAdminClient

from tests.clients.absent import ABSENT, Absent

ACLS = {"create_acls", "delete_acls", "describe_acls"}
PASSWORDS = {"alter_user_scram_credentials", "describe_user_scram_credentials"}
TRANSACTIONS = {"abort_transaction", "describe_transactions", "find_hanging_transactions", "list_transactions"}
SEVERAL_BROKERS = {"alter_partition_reassignments", "list_partition_reassignments", "alter_replica_log_dirs"}
KRAFT = {"describe_metadata_quorum", "update_features"}
NOT_SERVED = ACLS | PASSWORDS | TRANSACTIONS | SEVERAL_BROKERS | KRAFT
"""Operations whose APIs the broker does not advertise."""
PLUMBING = {"poll", "set_sasl_credentials", "close", "start", "get_broker_version_data"}
"""Methods that ask a broker for nothing of their own."""


@pytest.mark.parametrize("entry", ABSENT, ids=lambda entry: f"{entry.library}: {entry.feature}")
def test_what_a_library_is_said_to_lack_it_lacks(entry: Absent) -> None:
    assert entry.still(), f"{entry.library} has a {entry.feature} now: run the scenario through it"


@pytest.mark.parametrize(
    ("admin", "tests"),
    [
        (AdminClient, "test_admin_librdkafka.py"),
        (KafkaAdminClient, "test_admin_kafka_python.py"),
        (AIOKafkaAdminClient, "test_admin_aiokafka.py"),
    ],
    ids=["confluent-kafka", "kafka-python", "aiokafka"],
)
def test_every_admin_operation_a_library_has_is_used(admin: Callable[..., object], tests: str) -> None:
    offered = {name for name in dir(admin) if not name.startswith("_") and callable(getattr(admin, name))}
    used = set(re.findall(r"\badmin\.(\w+)\(", Path(__file__).with_name(tests).read_text()))
    assert offered - used - NOT_SERVED - PLUMBING == set()
