"""Idempotent producers of one partition (KIP-98): which batch each may write next, and which it wrote already.

Per producer the last five batches are kept, so that a repeated one is answered with the offsets of the original.
`check` decides and changes nothing; `update` is called once the batch is in the log, and again when a log is replayed.
"""

from typing import NamedTuple

from kio.schema.errors import ErrorCode

NO_EPOCH = -1
NO_SEQUENCE = -1
NO_OFFSET = -1
BATCHES_RETAINED = 5
SEQUENCE_MAX = 2**31 - 1


class BatchMetadata(NamedTuple):
    """A batch a producer wrote. `timestamp_ms` is the batch's largest."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp_ms: int

    @property
    def first_sequence(self) -> int:
        """Sequences wrap from 2^31 - 1 to 0."""
        return (self.last_sequence - self.offset_delta) & SEQUENCE_MAX

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta


class ProducerEntry:
    """What is known of one producer."""

    __slots__ = (
        "batches",
        "coordinator_epoch",
        "current_transaction_first_offset",
        "last_timestamp_ms",
        "producer_epoch",
        "producer_id",
    )

    def __init__(self, producer_id: int, producer_epoch: int = NO_EPOCH) -> None:
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.coordinator_epoch = -1
        self.last_timestamp_ms = -1
        self.current_transaction_first_offset = NO_OFFSET
        self.batches: tuple[BatchMetadata, ...] = ()
        """At most five, oldest first, all of `producer_epoch`."""

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def duplicate_of(self, epoch: int, first_sequence: int, last_sequence: int) -> BatchMetadata | None:
        """The retained batch with exactly these sequences."""
        if epoch != self.producer_epoch:
            return None
        for batch in self.batches:
            if batch.last_sequence == last_sequence and batch.first_sequence == first_sequence:
                return batch
        return None

    def recall(self, found: "ProducerEntry | None") -> None:
        """Take over the batches before the last one, where what was found in the log ends with that one."""
        if found is not None and found.producer_epoch == self.producer_epoch and found.batches[-1:] == self.batches:
            self.batches = found.batches


class Refusal(NamedTuple):
    """Why a batch may not be written; `message` names producer and sequences."""

    error: ErrorCode
    message: str


class ProducerState:
    """All producers of a partition, in the order in which they first wrote."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}

    def check(self, producer_id: int, epoch: int, first_sequence: int, count: int) -> BatchMetadata | Refusal | None:
        """None when the batch may be appended, the original when it was, else why not.

        Errors: INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER. A producer of which nothing is known may start
        with any sequence: its state may have expired or its earlier records been deleted (KIP-360).
        """
        entry = self.entries.get(producer_id)
        if entry is None:
            return None
        if epoch == entry.producer_epoch and first_sequence == (entry.last_sequence + 1) & SEQUENCE_MAX:
            return None
        last_sequence = (first_sequence + count - 1) & SEQUENCE_MAX
        duplicate = entry.duplicate_of(epoch, first_sequence, last_sequence)
        if duplicate is not None:
            return duplicate
        if epoch < entry.producer_epoch:
            return _stale_epoch(entry, epoch)
        if epoch > entry.producer_epoch:
            starts_anew = first_sequence == 0 or entry.producer_epoch == NO_EPOCH
            return None if starts_anew else _out_of_order(entry, epoch, first_sequence)
        return _out_of_order(entry, epoch, first_sequence)

    def update(
        self, producer_id: int, epoch: int, last_sequence: int, last_offset: int, offset_delta: int, timestamp_ms: int
    ) -> None:
        """A data batch of the producer is in the log."""
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry(producer_id, epoch)
        batch = BatchMetadata(last_sequence, last_offset, offset_delta, timestamp_ms)
        kept = entry.batches[1 - BATCHES_RETAINED :] if entry.producer_epoch == epoch else ()
        entry.batches = (*kept, batch)
        entry.producer_epoch = epoch
        entry.last_timestamp_ms = timestamp_ms

    def remove_expired(self, now_ms: int, expiration_ms: int) -> None:
        """Forget producers silent for `expiration_ms`, except inside a transaction."""
        expired = [
            each.producer_id
            for each in self.entries.values()
            if each.current_transaction_first_offset == NO_OFFSET and now_ms - each.last_timestamp_ms >= expiration_ms
        ]
        for producer_id in expired:
            del self.entries[producer_id]

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()


def _stale_epoch(entry: ProducerEntry, epoch: int) -> Refusal:
    return Refusal(
        ErrorCode.invalid_producer_epoch,
        f"epoch {epoch} of producer {entry.producer_id} is older than the last seen one, {entry.producer_epoch}",
    )


def _out_of_order(entry: ProducerEntry, epoch: int, first_sequence: int) -> Refusal:
    return Refusal(
        ErrorCode.out_of_order_sequence_number,
        f"sequence {first_sequence} (epoch {epoch}) of producer {entry.producer_id} does not follow"
        f" {entry.last_sequence} (epoch {entry.producer_epoch})",
    )
