"""Everything a partition holds, read at the end of a run."""

import time
from typing import Any

from confluent_kafka import TopicPartition

from tests.faults.load import quiet_consumer
from tests.faults.waiting import DEADLINE_S
from tests.support.history import Final, Partition


def read_all(bootstrap: str, partition: Partition) -> Final:
    """From the log start to the high watermark of now, with the CRC of every batch checked."""
    with quiet_consumer(bootstrap) as consumer:
        start, end = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=DEADLINE_S)
        consumer.assign([TopicPartition(*partition, start)])
        records: list[tuple[int, str]] = []
        deadline = time.monotonic() + DEADLINE_S
        while (records[-1][0] + 1 if records else start) < end:
            assert time.monotonic() < deadline, f"{partition}: {len(records)} records of offsets {start} to {end}"
            consumed: list[Any] = consumer.consume(1000, timeout=0.5)
            for message in consumed:
                assert message.error() is None, message.error()
                records.append((message.offset(), message.value().decode()))
    return Final(partition, start, tuple(records))


def values(bootstrap: str, topic: str, partition: int = 0) -> list[str]:
    return [value for _, value in read_all(bootstrap, (topic, partition)).records]
