"""Consumers in a group, of each library."""

from typing import Any

import confluent_kafka
from aiokafka import AIOKafkaConsumer
from aiokafka.coordinator.assignors.range import RangePartitionAssignor as AioRange
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor as AioRoundRobin
from kafka import KafkaConsumer
from kafka import errors as python_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from tests.clients.loop_thread import LoopThread
from tests.clients.received import from_librdkafka, from_python
from tests.clients.vocabulary import Fenced, Membership, Received

POLL_MS = 200
HEARTBEAT_MS = 500
LIBRDKAFKA_ASSIGNORS = {"range": "range", "roundrobin": "roundrobin", "cooperative": "cooperative-sticky"}
PYTHON_ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative": CooperativeStickyAssignor,
}
AIO_ASSIGNORS = {"range": AioRange, "roundrobin": AioRoundRobin}


class LibrdkafkaMember:
    def __init__(self, bootstrap: str, membership: Membership) -> None:
        static: Any = {"group.instance.id": membership.instance_id} if membership.instance_id else {}
        self._consumer: Any = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": membership.group,
                "partition.assignment.strategy": LIBRDKAFKA_ASSIGNORS[membership.assignor],
                "session.timeout.ms": membership.session_timeout_ms,
                "max.poll.interval.ms": membership.max_poll_interval_ms,
                "heartbeat.interval.ms": HEARTBEAT_MS,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "allow.auto.create.topics": True,
                "topic.metadata.refresh.interval.ms": 1000,
                **static,
            }
        )
        self._consumer.subscribe([membership.pattern] if membership.pattern else list(membership.topics))

    def poll(self) -> list[Received]:
        messages = self._consumer.consume(num_messages=500, timeout=POLL_MS / 1000)
        for message in messages:
            self._check(message.error())
        return [from_librdkafka(message) for message in messages if message.error() is None]

    def _check(self, error: Any) -> None:
        known = confluent_kafka.KafkaError
        if error is not None and error.code() in (known._FATAL, known.FENCED_INSTANCE_ID):
            raise Fenced(error.str())
        assert error is None or error.code() in (known._PARTITION_EOF, known.UNKNOWN_TOPIC_OR_PART), error

    def assignment(self) -> set[int]:
        return {int(owned.partition) for owned in self._consumer.assignment()}

    def commit(self) -> None:
        try:
            self._consumer.commit(asynchronous=False)
        except confluent_kafka.KafkaException as error:
            self._check(error.args[0])
            raise

    def close(self) -> None:
        self._consumer.close()


class KafkaPythonMember:
    def __init__(self, bootstrap: str, membership: Membership) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=membership.group,
            group_instance_id=membership.instance_id,
            partition_assignment_strategy=[PYTHON_ASSIGNORS[membership.assignor]],
            session_timeout_ms=membership.session_timeout_ms,
            max_poll_interval_ms=membership.max_poll_interval_ms,
            heartbeat_interval_ms=HEARTBEAT_MS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._consumer.subscribe(topics=list(membership.topics), pattern=membership.pattern)

    def poll(self) -> list[Received]:
        batches = self._consumer.poll(timeout_ms=POLL_MS)
        return [from_python(record) for records in batches.values() for record in records]

    def assignment(self) -> set[int]:
        return {owned.partition for owned in self._consumer.assignment()}

    def commit(self) -> None:
        try:
            self._consumer.commit()
        except python_errors.FencedInstanceIdError as error:
            raise Fenced from error

    def close(self) -> None:
        self._consumer.close(autocommit=False)


class AiokafkaMember:
    def __init__(self, loop: LoopThread, bootstrap: str, membership: Membership) -> None:
        self._loop = loop
        self._consumer: Any = loop.run(self._start(bootstrap, membership))

    async def _start(self, bootstrap: str, membership: Membership) -> Any:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=membership.group,
            group_instance_id=membership.instance_id,
            partition_assignment_strategy=(AIO_ASSIGNORS[membership.assignor],),
            session_timeout_ms=membership.session_timeout_ms,
            max_poll_interval_ms=membership.max_poll_interval_ms,
            heartbeat_interval_ms=HEARTBEAT_MS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        consumer.subscribe(topics=list(membership.topics), pattern=membership.pattern)
        await consumer.start()
        return consumer

    def poll(self) -> list[Received]:
        batches = self._loop.run(self._consumer.getmany(timeout_ms=POLL_MS))
        return [from_python(record) for records in batches.values() for record in records]

    def assignment(self) -> set[int]:
        return {owned.partition for owned in self._consumer.assignment()}

    def commit(self) -> None:
        self._loop.run(self._consumer.commit())

    def close(self) -> None:
        self._loop.run(self._consumer.stop())
