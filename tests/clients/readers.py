"""Consumers of one partition, of each library."""

from typing import Any

import confluent_kafka
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as AioPartition
from aiokafka import errors as aio_errors
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonPartition
from kafka import errors as python_errors

from tests.clients.loop_thread import LoopThread
from tests.clients.received import from_librdkafka, from_python
from tests.clients.vocabulary import OffsetIsGone, Reading, Received

DEADLINE_S = 30.0
POLL_S = 0.2
POLLS_MAX = 150
LIBRDKAFKA_RESETS = {"none": "error"}


class LibrdkafkaReader:
    """librdkafka resolves positions in the background and tells the end of a partition as an event."""

    def __init__(self, bootstrap: str, reading: Reading) -> None:
        self._topic, self._partition = reading.topic, reading.partition
        self._consumer: Any = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": reading.group,
                "auto.offset.reset": LIBRDKAFKA_RESETS.get(reading.reset, reading.reset),
                "isolation.level": reading.isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        self._end: int | None = None
        self._consumer.assign([self._at(reading.offset)])

    def _at(self, offset: int = confluent_kafka.OFFSET_INVALID) -> confluent_kafka.TopicPartition:
        return confluent_kafka.TopicPartition(self._topic, self._partition, offset)

    def poll(self) -> list[Received]:
        message = self._consumer.poll(POLL_S)
        if message is None:
            return []
        error = message.error()
        if error is None:
            self._end = None
            return [from_librdkafka(message)]
        if error.code() == confluent_kafka.KafkaError._AUTO_OFFSET_RESET:
            raise OffsetIsGone(error.str())
        assert error.code() == confluent_kafka.KafkaError._PARTITION_EOF, error
        self._end = message.offset()
        return []

    def position(self) -> int:
        return int(self._end if self._end is not None else self._consumer.position([self._at()])[0].offset)

    def seek(self, offset: int) -> None:
        self._end = None
        self._consumer.seek(self._at(offset))

    def seek_to_beginning(self) -> None:
        self.seek(confluent_kafka.OFFSET_BEGINNING)

    def seek_to_end(self) -> None:
        self.seek(confluent_kafka.OFFSET_END)
        for _ in range(POLLS_MAX):
            assert self.poll() == []
            if self._end is not None:
                return
        raise AssertionError("the end did not come")

    def pause(self) -> None:
        self._consumer.pause([self._at()])

    def resume(self) -> None:
        self._consumer.resume([self._at()])

    def bounds(self) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(self._at(), timeout=DEADLINE_S)
        return low, high

    def commit(self) -> None:
        self._consumer.commit(asynchronous=False)

    def committed(self) -> int | None:
        offset = int(self._consumer.committed([self._at()], timeout=DEADLINE_S)[0].offset)
        return offset if offset >= 0 else None

    def close(self) -> None:
        self._consumer.close()


class KafkaPythonReader:
    def __init__(self, bootstrap: str, reading: Reading) -> None:
        self._here = PythonPartition(reading.topic, reading.partition)
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=reading.group,
            auto_offset_reset=reading.reset,
            isolation_level=reading.isolation,
            enable_auto_commit=False,
        )
        self._consumer.assign([self._here])
        self._consumer.seek(self._here, reading.offset)

    def poll(self) -> list[Received]:
        try:
            batches = self._consumer.poll(timeout_ms=int(POLL_S * 1000), max_records=1)
        except python_errors.OffsetOutOfRangeError as error:
            raise OffsetIsGone from error
        return [from_python(record) for records in batches.values() for record in records]

    def position(self) -> int:
        return int(self._consumer.position(self._here))

    def seek(self, offset: int) -> None:
        self._consumer.seek(self._here, offset)

    def seek_to_beginning(self) -> None:
        self._consumer.seek_to_beginning(self._here)

    def seek_to_end(self) -> None:
        self._consumer.seek_to_end(self._here)
        self.position()

    def pause(self) -> None:
        self._consumer.pause(self._here)

    def resume(self) -> None:
        self._consumer.resume(self._here)

    def bounds(self) -> tuple[int, int]:
        here = self._here
        return self._consumer.beginning_offsets([here])[here], self._consumer.end_offsets([here])[here]

    def commit(self) -> None:
        self._consumer.commit()

    def committed(self) -> int | None:
        found: int | None = self._consumer.committed(self._here)
        return found

    def close(self) -> None:
        self._consumer.close(autocommit=False)


class AiokafkaReader:
    def __init__(self, loop: LoopThread, bootstrap: str, reading: Reading) -> None:
        self._loop = loop
        self._here = AioPartition(reading.topic, reading.partition)
        self._consumer: Any = loop.run(self._start(bootstrap, reading))

    async def _start(self, bootstrap: str, reading: Reading) -> Any:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=reading.group,
            auto_offset_reset=reading.reset,
            isolation_level=reading.isolation,
            enable_auto_commit=False,
        )
        await consumer.start()
        consumer.assign([self._here])
        consumer.seek(self._here, reading.offset)
        return consumer

    def poll(self) -> list[Received]:
        try:
            batches = self._loop.run(self._consumer.getmany(timeout_ms=int(POLL_S * 1000), max_records=1))
        except aio_errors.OffsetOutOfRangeError as error:
            raise OffsetIsGone from error
        return [from_python(record) for records in batches.values() for record in records]

    def position(self) -> int:
        return int(self._loop.run(self._consumer.position(self._here)))

    def seek(self, offset: int) -> None:
        self._consumer.seek(self._here, offset)

    def seek_to_beginning(self) -> None:
        self._loop.run(self._consumer.seek_to_beginning(self._here))

    def seek_to_end(self) -> None:
        self._loop.run(self._consumer.seek_to_end(self._here))

    def pause(self) -> None:
        async def on_the_loop() -> None:
            self._consumer.pause(self._here)

        self._loop.run(on_the_loop())

    def resume(self) -> None:
        async def on_the_loop() -> None:
            self._consumer.resume(self._here)

        self._loop.run(on_the_loop())

    def bounds(self) -> tuple[int, int]:
        first = self._loop.run(self._consumer.beginning_offsets([self._here]))
        end = self._loop.run(self._consumer.end_offsets([self._here]))
        return first[self._here], end[self._here]

    def commit(self) -> None:
        self._loop.run(self._consumer.commit())

    def committed(self) -> int | None:
        found: int | None = self._loop.run(self._consumer.committed(self._here))
        return found

    def close(self) -> None:
        self._loop.run(self._consumer.stop())
