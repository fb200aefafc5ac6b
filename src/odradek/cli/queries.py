"""Questions that several commands ask a broker, each with its answer as plain values."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from odradek.cli.errors import CommandError
from odradek.cli.session import REQUEST_TIMEOUT_S

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient

_COORDINATOR_IS_STARTING = ("NOT_COORDINATOR", "COORDINATOR_NOT_AVAILABLE", "COORDINATOR_LOAD_IN_PROGRESS")
_RETRY_PAUSE_S = 0.05
_ID_DIGITS_MAX = 10

Partition = tuple[str, int]
"""Topic and partition number."""


class Range(NamedTuple):
    """The offsets that a partition holds: `start` is the first readable one, `end` the one the next record gets."""

    start: int
    end: int


def topics(admin: AdminClient) -> dict[str, Any]:
    """Every topic by name, as librdkafka's TopicMetadata, sorted by name."""
    found = admin.list_topics(timeout=REQUEST_TIMEOUT_S).topics
    return {name: found[name] for name in sorted(found)}


def require_topics(admin: AdminClient, names: Iterable[str]) -> dict[str, Any]:
    """The named topics in the given order; raises CommandError when one is missing."""
    known = topics(admin)
    missing = [name for name in names if name not in known]
    if missing:
        raise CommandError(f"no topic {', '.join(map(repr, missing))}: see `odradek topic list`")
    return {name: known[name] for name in names}


def partitions_of(found: dict[str, Any]) -> list[Partition]:
    """Every partition of the given topics."""
    return [(name, partition) for name, topic in found.items() for partition in sorted(topic.partitions)]


def offsets(admin: AdminClient, partitions: Iterable[Partition], spec: Any) -> dict[Partition, int]:
    """One offset of each partition; `spec` is an OffsetSpec. -1 where a time lookup finds no record."""
    from odradek.cli.kafka import TopicPartition

    wanted = {TopicPartition(topic, partition): spec for topic, partition in partitions}
    if not wanted:
        return {}
    futures = admin.list_offsets(wanted, request_timeout=REQUEST_TIMEOUT_S)
    return {(asked.topic, asked.partition): future.result().offset for asked, future in futures.items()}


def ranges(admin: AdminClient, partitions: Iterable[Partition]) -> dict[Partition, Range]:
    """What each partition holds."""
    from odradek.cli.kafka import OffsetSpec

    wanted = list(partitions)
    starts = offsets(admin, wanted, OffsetSpec.earliest())
    ends = offsets(admin, wanted, OffsetSpec.latest())
    return {partition: Range(starts[partition], ends[partition]) for partition in wanted}


def served_ranges(admin: AdminClient, partitions: Iterable[Partition]) -> dict[Partition, Range]:
    """As `ranges`, without the partitions that cannot answer, for example on a failed disk."""
    from odradek.cli.kafka import OffsetSpec

    wanted = list(partitions)
    starts = _answered(admin, wanted, OffsetSpec.earliest())
    ends = _answered(admin, wanted, OffsetSpec.latest())
    return {each: Range(starts[each], ends[each]) for each in wanted if each in starts and each in ends}


def _answered(admin: AdminClient, partitions: list[Partition], spec: Any) -> dict[Partition, int]:
    from odradek.cli.kafka import TopicPartition

    wanted = {TopicPartition(topic, partition): spec for topic, partition in partitions}
    futures = admin.list_offsets(wanted, request_timeout=REQUEST_TIMEOUT_S) if wanted else {}
    return {
        (asked.topic, asked.partition): future.result().offset
        for asked, future in futures.items()
        if future.exception() is None
    }


def committed(admin: AdminClient, group: str) -> dict[Partition, int]:
    """The group's committed offsets."""
    from odradek.cli.kafka import ConsumerGroupTopicPartitions

    # librdkafka's admin client crashes when a coordinator that is only starting refuses this request; asked for a
    # description, it reports the same refusal as an error.
    describe_groups(admin, [group])
    asked = [ConsumerGroupTopicPartitions(group)]
    answer = admin.list_consumer_group_offsets(asked, request_timeout=REQUEST_TIMEOUT_S)[group].result()
    found = answer.topic_partitions or []
    return {(p.topic, p.partition): p.offset for p in sorted(found) if p.offset >= 0}


def group_listings(admin: AdminClient) -> list[Any]:
    """Every group, sorted by name; raises the first error when part of the cluster did not answer."""
    listing = admin.list_consumer_groups(request_timeout=REQUEST_TIMEOUT_S).result()
    if listing.errors:
        raise listing.errors[0]
    return sorted(listing.valid, key=lambda group: group.group_id)


def require_groups(admin: AdminClient, names: Iterable[str]) -> None:
    """Raises CommandError when one is missing."""
    known = {listing.group_id for listing in group_listings(admin)}
    if missing := [name for name in names if name not in known]:
        raise CommandError(f"no group {', '.join(map(repr, missing))}: see `odradek group list`")


def require_broker(admin: AdminClient, name: str) -> None:
    """Raises CommandError when no broker has this id; librdkafka would wait for it."""
    known = admin.list_topics(timeout=REQUEST_TIMEOUT_S).brokers
    if not (len(name) <= _ID_DIGITS_MAX and int(name) in known):
        raise CommandError(f"no broker {name}: there is {', '.join(map(str, sorted(known)))}, see `odradek status`")


def group_state(description: Any) -> str:
    """The state as the protocol spells it: Stable, Empty, PreparingRebalance, CompletingRebalance, Dead."""
    return str(description.state.name).title().replace("_", "").replace("Rebalancing", "Rebalance")


def describe_groups(admin: AdminClient, names: list[str]) -> dict[str, Any]:
    """Each named group as librdkafka's ConsumerGroupDescription; waits for coordinators that are starting."""
    from odradek.cli.kafka import KafkaException

    if not names:
        return {}
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        try:
            futures = admin.describe_consumer_groups(names, request_timeout=REQUEST_TIMEOUT_S)
            return {name: futures[name].result() for name in names}
        except KafkaException as error:
            if error.args[0].name() not in _COORDINATOR_IS_STARTING or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_PAUSE_S)


def configs(admin: AdminClient, kind: str, name: str) -> list[Any]:
    """All configuration entries of a `TOPIC`, `BROKER` or `GROUP`, sorted by key."""
    from odradek.cli.kafka import ConfigResource, ResourceType

    resource = ConfigResource(ResourceType[kind], name)
    entries = admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource].result()
    return [entries[key] for key in sorted(entries)]


def alter_configs(admin: AdminClient, kind: str, name: str, changes: dict[str, str | None]) -> None:
    """Set keys, or reset those whose value is None, and leave every other key as it is."""
    from odradek.cli.kafka import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    entries = [
        ConfigEntry(
            key, value, incremental_operation=AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
        )
        for key, value in changes.items()
    ]
    resource = ConfigResource(ResourceType[kind], name, incremental_configs=entries)
    admin.incremental_alter_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource].result()
