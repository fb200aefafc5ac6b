"""Topics for tests: a name that says which test it belongs to, and the topic behind it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping


def unique_name(hint: str) -> str:
    """A legal topic name that starts with the hint and was never used before."""
    legal = re.sub(r"[^a-zA-Z0-9-]+", "-", hint).strip("-")[:100]
    return f"{legal or 'topic'}-{uuid.uuid4().hex[:12]}"


def create_topic(bootstrap: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
    """Create a topic with one replica and return its name once the broker has it."""
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

    topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
    # Held by a name: librdkafka cancels what a collected client was asked.
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([topic])[name].result(timeout=30)
    return name
