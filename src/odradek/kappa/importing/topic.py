"""The topic an import writes to, as its brokers describe it, and what of the import is in it already."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import admin as _admin

from odradek.kappa.client import LogReader, Range, Topics
from odradek.kappa.client.errors import UnknownTopicError
from odradek.kappa.importing.state import Position

VIEW_HEADER, EPOCH_HEADER, SEQ_HEADER = "odr-view", "odr-epoch", "odr-seq"
REQUEST_TIMEOUT_S = 15.0
# librdkafka writes its own lines to stderr; what matters of them comes back as errors.
_QUIET = {"log_level": 0, "client.id": "odradek-import"}
_untyped: Any = _admin


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What must stay the same while an import runs."""

    cluster_id: str
    topic_id: str
    partitions: int
    max_message_bytes: int


class TargetTopic:
    """Asks and reads one topic. Methods raise KappaError for what a person can mend, else KafkaException."""

    def __init__(self, bootstrap: str, topic: str, wait_s: float) -> None:
        self.topic = topic
        self.config = {"bootstrap.servers": bootstrap, **_QUIET}
        self._wait_s = wait_s
        self._admin = _untyped.AdminClient(self.config)
        self._topics = Topics(self.config)

    def create(self, partitions: int) -> None:
        """Make the topic unless it is there."""
        made = self._admin.create_topics([_untyped.NewTopic(self.topic, partitions)], request_timeout=REQUEST_TIMEOUT_S)
        try:
            made[self.topic].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def describe(self) -> TopicFacts:
        """The facts of now. Raises UnknownTopicError."""
        try:
            identity, partitions = self._topics.identity(self.topic), self._topics.partitions(self.topic)
        except UnknownTopicError as error:
            raise UnknownTopicError(f"{error}; --create-partitions N makes it") from error
        resource = _untyped.ConfigResource(_untyped.ResourceType.TOPIC, self.topic)
        configs = self._admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)[resource]
        limit = int(configs.result()["max.message.bytes"].value)
        return TopicFacts(identity.cluster_id, identity.topic_id, len(partitions), limit)

    def log_ends(self, partitions: int) -> list[int]:
        """The offset after the last record, by partition."""
        bounds = self._topics.bounds(self.topic)
        return [bounds[index].end for index in range(partitions)]

    def settled_ends(self, partitions: int, settle_s: float) -> list[int]:
        """Log ends that stayed for that long: requests of a killed process may still be on their way.

        A topic that others write to never rests; ends older than `wait_s` of that are taken as they are.
        """
        ends, since = self.log_ends(partitions), time.monotonic()
        deadline = since + max(self._wait_s, settle_s)
        while time.monotonic() - since < settle_s and time.monotonic() < deadline:
            time.sleep(min(0.1, settle_s))
            if (now := self.log_ends(partitions)) != ends:
                ends, since = now, time.monotonic()
        return ends

    def highest(self, import_id: str, positions: tuple[Position, ...], ends: list[int]) -> tuple[Position, ...]:
        """Each partition's position after reading it from the stored one to the given end.

        Raises LogError where the log begins later by now: what was sent there is not known any more.
        """
        seqs = [position.seq for position in positions]
        ranges = {index: Range(each.offset, ends[index]) for index, each in enumerate(positions)}
        with LogReader(self.config) as reader:
            for batch in reader.read(self.topic, ranges, headers=True):
                columns = batch["_partition"].to_pylist(), batch["_headers"].to_pylist()
                for partition, headers in zip(*columns, strict=True):
                    seqs[partition] = max(seqs[partition], seq_of(headers, import_id.encode()))
        return tuple(Position(end, seq) for end, seq in zip(ends, seqs, strict=True))


def seq_of(headers: list[Mapping[str, Any]] | None, view: bytes) -> int:
    """The seq of a record of that import; -1 for anybody else's. Headers as in `records.RECORDS`."""
    found = {header["key"]: header["value"] for header in headers or ()}
    seq = found.get(SEQ_HEADER)
    return int(seq) if found.get(VIEW_HEADER) == view and seq is not None and seq.isdigit() else -1
