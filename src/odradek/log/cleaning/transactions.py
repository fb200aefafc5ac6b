"""Transactions while a log is compacted: whose records were aborted, and when a marker has nothing left to mark.

A commit or abort marker may go only once no batch of its transaction is left, and then like a tombstone: after a delete
horizon of its own. An aborted transaction's records go at once. (Kafka: CleanedTransactionMetadata.)
"""

from bisect import insort
from collections.abc import Iterable

from odradek.log.cleaning.records import blob_of, spans_of
from odradek.log.transaction_index import AbortedTransaction
from odradek.wire.records import BatchHeader

ABORT, COMMIT = 0, 1


def _first_offset(transaction: AbortedTransaction) -> int:
    return transaction.first_offset


class CleanedTransactions:
    """Fed with the batches in the order of the log. `retained` collects what the new segment's index must hold."""

    def __init__(self) -> None:
        self._aborted: list[AbortedTransaction] = []
        self._ongoing_aborted: dict[int, AbortedTransaction] = {}
        self._seen_aborted: dict[int, None] = {}
        """Producers with a batch of their ongoing aborted transaction."""
        self._ongoing_committed: dict[int, None] = {}
        self.retained: list[AbortedTransaction] = []

    def add_aborted(self, transactions: Iterable[AbortedTransaction]) -> None:
        """From the transaction indexes."""
        for each in transactions:
            insort(self._aborted, each, key=_first_offset)

    def on_batch(self, header: BatchHeader) -> bool:
        """A data batch; whether it was aborted."""
        if not header.is_transactional:
            return False
        self._begin_up_to(header.last_offset)
        if header.producer_id in self._ongoing_aborted:
            self._seen_aborted[header.producer_id] = None
            return True
        self._ongoing_committed[header.producer_id] = None
        return False

    def on_marker(self, header: BatchHeader, marker: int | None) -> bool:
        """A control batch, with the type of its record or None when that is gone; whether nothing needs it any more."""
        self._begin_up_to(header.last_offset)
        if marker is None:
            return True
        if marker == COMMIT:
            if header.producer_id not in self._ongoing_committed:
                return True
            del self._ongoing_committed[header.producer_id]
            return False
        if marker != ABORT:
            return False
        aborted = self._ongoing_aborted.pop(header.producer_id, None)
        if aborted is None or header.producer_id not in self._seen_aborted:
            return True
        del self._seen_aborted[header.producer_id]
        self.retained.append(aborted)
        return False

    def _begin_up_to(self, offset: int) -> None:
        while self._aborted and self._aborted[0].first_offset <= offset:
            transaction = self._aborted.pop(0)
            self._ongoing_aborted.setdefault(transaction.producer_id, transaction)


def marker_of(batch: memoryview, header: BatchHeader) -> int | None:
    """Type of a control batch's record: its key holds version and type (i16 each). None when the record is gone.

    Raises InvalidBatchError.
    """
    if not header.count:
        return None
    key = spans_of(blob_of(batch, header), header.count)[0].key
    return int.from_bytes(key[2:4], "big", signed=True) if key is not None and len(key) >= 4 else -1
