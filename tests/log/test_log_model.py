"""A log against a list of batches: whatever is done to it in whatever order, both say the same."""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from odradek.host.posix import PosixFiles
from odradek.log.epoch_cache import EpochCache
from odradek.log.log import Log, Stop
from odradek.wire.records import batches
from tests.support.logs import NOW_MS, LogDirectory, append, batch, flush_all, placed, read_from, topic_config

ModelBatch = tuple[int, int, int, bytes]
"""Base offset, last offset, largest timestamp, bytes."""


class LogAndModel(RuleBasedStateMachine):
    """Small segments and an index entry almost every batch, so that a few steps cross every border."""

    log: Log

    @initialize(
        segment_bytes=st.integers(800, 1500),
        interval_bytes=st.sampled_from([0, 150, 4096]),
        index_bytes=st.sampled_from([64, 10_000]),
    )
    def open(self, segment_bytes: int, interval_bytes: int, index_bytes: int) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="odradek-log-"))
        config = topic_config(
            segment_bytes=segment_bytes,
            index_interval_bytes=interval_bytes,
            segment_index_bytes=index_bytes,
            retention_bytes=2000,
            retention_ms=-1,
        )
        self.directory = LogDirectory(self.path, PosixFiles(), config)
        self.log = self.directory.open()
        self.batches: list[ModelBatch] = []
        self.start = self.end = 0
        self.sequences: dict[int, int] = {}
        self.epoch = 0

    def teardown(self) -> None:
        if hasattr(self, "path"):
            shutil.rmtree(self.path)

    def stored(self, count: int, content: bytearray, timestamp_ms: int) -> None:
        self.batches.append((self.end, self.end + count - 1, timestamp_ms, bytes(content)))
        self.end += count

    @rule(count=st.integers(1, 4), size=st.integers(0, 150), delta=st.integers(-50, 50), producer=st.integers(-1, 2))
    def append(self, count: int, size: int, delta: int, producer: int) -> None:
        values = [bytes(size)] * count
        fields: dict[str, Any] = {}
        if producer >= 0:
            fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": self.sequences.get(producer, 0)}
            self.sequences[producer] = self.sequences.get(producer, 0) + count
        content = batch(*values, timestamp_ms=NOW_MS + delta, **fields)
        result = append(self.log, content, leader_epoch=self.epoch)
        assert (result.base_offset, result.last_offset) == (self.end, self.end + count - 1)
        self.stored(count, content, NOW_MS + delta)

    @rule(count=st.integers(1, 5), gap=st.integers(0, 3))
    def replicate(self, count: int, gap: int) -> None:
        self.end += gap
        content = bytearray()
        for _ in range(count):
            one = placed(self.end, b"replicated", leader_epoch=self.epoch)
            content += one
            self.stored(1, one, NOW_MS)
        append(self.log, content, origin="replication")

    @rule()
    def new_leader(self) -> None:
        self.epoch += 1

    @rule()
    def roll(self) -> None:
        self.log.roll(NOW_MS)

    @rule()
    def flush(self) -> None:
        flush_all(self.log)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        cut = data.draw(st.sampled_from([each[0] for each in self.batches]))
        self.log.truncate_to(cut)
        self.batches = [each for each in self.batches if each[0] < cut]
        self.end = self.batches[-1][1] + 1 if self.batches else self.log.segments[0].base_offset
        self.start = min(self.start, self.end)
        self.sequences = {producer: entry.last_sequence + 1 for producer, entry in self.log.producers.entries.items()}
        assert self.sequences_in_batches().items() <= self.sequences.items()

    def sequences_in_batches(self) -> dict[int, int]:
        headers = [header for each in self.batches for _, header in batches(each[3])]
        return {each.producer_id: each.last_sequence + 1 for each in headers if each.producer_id >= 0}

    @rule(data=st.data())
    def delete_records(self, data: st.DataObject) -> None:
        self.start = data.draw(st.integers(self.start, self.end))
        self.log.advance_log_start(self.start)

    @rule()
    def retain(self) -> None:
        self.log.delete_old_segments(NOW_MS)
        self.forget_deleted()

    def forget_deleted(self) -> None:
        first = self.log.segments[0].base_offset
        assert self.log.size_bytes <= 2000 + self.log.config.segment_bytes
        self.batches = [each for each in self.batches if each[0] >= first]
        self.start = max(self.start, first)

    @rule(offset=st.integers(0, 50))
    def begin_anew(self, offset: int) -> None:
        self.log.truncate_fully_and_start_at(self.end + offset, NOW_MS)
        self.batches, self.sequences = [], {}
        self.start = self.end = self.end + offset

    @rule(stop=st.sampled_from(Stop))
    def reopen(self, stop: Stop) -> None:
        epochs, size = self.log.epochs, self.log.size_bytes
        start = self.log.log_start_offset
        if stop is not Stop.CLEAN and self.has_gap_above_recovery_point():
            stop = Stop.CLEAN
        self.log = self.directory.reopen(self.log, stop)
        if stop is not Stop.CLEAN:
            self.forget_trailing_gap()
        assert self.epochs_of_batches(self.log.epochs) == self.epochs_of_batches(epochs)
        assert self.log.size_bytes == size
        assert self.log.log_start_offset == start

    def epochs_of_batches(self, cache: EpochCache) -> list[int]:
        """What counts of the epochs' start offsets: who wrote each batch."""
        return [cache.epoch_for_offset(each[1]) for each in self.batches if each[1] >= self.start]

    def forget_trailing_gap(self) -> None:
        """Offsets without a batch at the very end leave no trace on disk."""
        lowest = self.batches[-1][1] + 1 if self.batches else self.log.segments[0].base_offset
        assert lowest <= self.log.log_end_offset <= self.end
        self.end = self.log.log_end_offset

    def has_gap_above_recovery_point(self) -> bool:
        """A segment that does not begin where the one before ended counts as a hole after a crash."""
        ends = {each[1] + 1 for each in self.batches}
        bases = [segment.base_offset for segment in self.log.segments[1:]]
        return any(base > self.log.recovery_point and base not in ends for base in bases)

    @invariant()
    def offsets_agree(self) -> None:
        if hasattr(self, "log"):
            assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)
            assert self.log.size_bytes == sum(len(each[3]) for each in self.batches)
            assert self.log.recovery_point <= self.log.flushed_offset <= self.end

    @invariant()
    def every_offset_is_found(self) -> None:
        if hasattr(self, "log"):
            for offset in range(self.start, self.end):
                expected = next((each for each in self.batches if each[1] >= offset), None)
                found = [header for _, header in batches(read_from(self.log, offset, 200))]
                if expected is None:
                    assert found == []
                else:
                    assert (found[0].base_offset, found[0].last_offset) == expected[:2]

    @rule(delta=st.integers(-60, 60))
    def look_up_a_timestamp(self, delta: int) -> None:
        timestamp_ms = NOW_MS + delta
        found = asyncio.run(self.log.offset_for_timestamp(timestamp_ms))
        expected = [
            max(each[0], self.start) for each in self.batches if each[2] >= timestamp_ms and each[1] >= self.start
        ]
        assert (found.offset if found else None) == (expected[0] if expected else None)


TestLogAndModel = LogAndModel.TestCase
TestLogAndModel.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
