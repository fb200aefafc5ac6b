"""What becomes of one batch: kept as it is, kept with fewer records or none, or left out (Kafka: Cleaner.cleanInto).

A record survives while no later one of its key lies below the map's latest offset; a tombstone, moreover, until its
batch's delete horizon has passed. The horizon is set (KIP-534) when a batch that holds a tombstone, or a transaction's
marker that marks nothing any more, is looked at for the first time.
"""

from collections.abc import Sequence

from odradek.log.cleaning.job import LastBatch
from odradek.log.cleaning.offset_map import OffsetMap
from odradek.log.cleaning.records import RecordSpan, blob_of, emptied, rebuilt, spans_of
from odradek.log.cleaning.transactions import CleanedTransactions, marker_of
from odradek.wire.records import HEADER_SIZE, BatchHeader

UNTOUCHED = True
GONE = None
Fate = bytearray | bool | None
"""UNTOUCHED, GONE, or the bytes that take the batch's place."""


def without_records(header: BatchHeader) -> Fate:
    """What is kept of a batch for its offsets and sequences alone."""
    return UNTOUCHED if header.size == HEADER_SIZE else emptied(header)


class BatchFilter:
    """Asked for every batch of a log below the upper offset, in order."""

    def __init__(
        self,
        offsets: OffsetMap,
        transactions: CleanedTransactions,
        producers: Sequence[LastBatch],
        now_ms: int,
        delete_retention_ms: int,
    ) -> None:
        self._offsets = offsets
        self._transactions = transactions
        self._producers = {each.producer_id: each for each in producers}
        self._now_ms = now_ms
        self._horizon_ms = now_ms + delete_retention_ms
        self.records_read = self.records_kept = self.records_without_key = 0

    def fate(self, batch: memoryview, header: BatchHeader) -> Fate:
        """Raises InvalidBatchError."""
        is_control = header.is_control
        if is_control:
            can_go = self._transactions.on_marker(header, marker_of(batch, header))
            discards = can_go and header.has_delete_horizon and header.base_timestamp <= self._now_ms
        else:
            can_go = discards = self._transactions.on_batch(header)
        self.records_read += header.count
        if not discards and header.count:
            blob = blob_of(batch, header)
            spans = spans_of(blob, header.count)
            kept = spans if is_control else self._kept(header, spans)
            if kept:
                self.records_kept += len(kept)
                return self._with(header, blob, spans, kept, needs_horizon=can_go and is_control)
        return without_records(header) if self._is_last_of_producer(header) else GONE

    def _kept(self, header: BatchHeader, spans: list[RecordSpan]) -> list[RecordSpan]:
        latest, get, base_offset = self._offsets.latest_offset, self._offsets.get, header.base_offset
        if base_offset > latest:
            return spans
        keeps_tombstones = not header.has_delete_horizon or self._now_ms < header.base_timestamp
        kept = []
        for span in spans:
            offset = base_offset + span.offset_delta
            if offset <= latest:
                if span.key is None:
                    self.records_without_key += 1
                    continue
                if offset < get(span.key) or not (span.has_value or keeps_tombstones):
                    continue
            kept.append(span)
        return kept

    def _with(
        self,
        header: BatchHeader,
        blob: bytes,
        spans: list[RecordSpan],
        kept: list[RecordSpan],
        *,
        needs_horizon: bool,
    ) -> Fate:
        if not header.has_delete_horizon and (needs_horizon or not all(span.has_value for span in kept)):
            return rebuilt(header, blob, kept, self._horizon_ms)
        if len(kept) == len(spans):
            return UNTOUCHED
        return rebuilt(header, blob, kept, None)

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        last = self._producers.get(header.producer_id) if header.producer_id >= 0 else None
        if last is None:
            return False
        if last.last_offset >= 0:
            return header.last_offset == last.last_offset
        return header.is_control and header.producer_epoch == last.producer_epoch
