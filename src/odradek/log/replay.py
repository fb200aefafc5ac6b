"""Producer state from snapshots and the batches behind them."""

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from odradek.host.files import read_file
from odradek.log import producer_snapshot, reading
from odradek.log.batch_walk import BatchWalk, Located, MalformedBatchError
from odradek.log.errors import CorruptFileError, DamagedLogError
from odradek.log.paths import SNAPSHOT_SUFFIX, path_of
from odradek.log.producer_state import ProducerState
from odradek.wire.records import BatchHeader

if TYPE_CHECKING:
    from odradek.log.log_state import LogState
    from odradek.log.segment import Segment

RECALLED_RECORDS = (1 << 10, 1 << 14, 1 << 18)
"""So far before a snapshot is looked for batches: further only where that many records are few batches."""
RECALLED_BATCHES = 64


def load_producers(log: "LogState") -> ProducerState:
    """The newest intact snapshot, brought up to the log end.

    Reads one small file and batch headers near its offset; after truncation, or when it is damaged, more of those.
    Raises OSError, DamagedLogError.
    """
    state, offset, is_newest = _newest_snapshot(log, log.log_end_offset)
    if is_newest and log.snapshot_is_current:
        return state
    return replay_from(log, state, offset)


def recover_producers(log: "LogState", recovery_point: int) -> ProducerState:
    """After a crash: the newest snapshot at or below the recovery point, and the batches above that point.

    A full flush stores a snapshot before it moves the recovery point, so there is nothing to replay in between.
    Raises OSError, DamagedLogError.
    """
    state, offset, is_newest = _newest_snapshot(log, recovery_point)
    return replay_from(log, state, max(offset, recovery_point) if is_newest else offset)


def replay_from(log: "LogState", state: ProducerState, offset: int) -> ProducerState:
    """Apply the headers of all batches from `offset` to the log end. Raises OSError, DamagedLogError."""
    if offset < log.log_end_offset:
        for header in _headers(log, offset):
            if header.base_offset >= offset:
                _update(state, header)
    return state


def _headers(log: "LogState", offset: int) -> Iterator[BatchHeader]:
    """Of all batches from the one holding `offset` on. Raises OSError, DamagedLogError."""
    for segment in log.segments[log.segments.index(log.segment_of(offset)) :]:
        for _, header in batches_of(segment, offset):
            yield header


def _update(state: ProducerState, header: BatchHeader) -> None:
    if header.producer_id >= 0 and not header.is_control:
        state.update(
            header.producer_id,
            header.producer_epoch,
            header.last_sequence,
            header.last_offset,
            header.last_offset_delta,
            header.max_timestamp,
        )


def batches_of(segment: "Segment", offset: int) -> Iterator[Located]:
    """Batches of one segment from the one holding `offset` on. Raises OSError, DamagedLogError."""
    files = segment.storage.files
    position, _ = reading.find_cold(files, reading.search_task(segment), offset)
    handle = segment.open_log()
    handle.pin()
    intact_offset = max(offset, segment.base_offset)
    try:
        for located in BatchWalk(files, handle.fd, segment.size, wait=True).batches(position):
            yield located
            intact_offset = located.header.last_offset + 1
    except MalformedBatchError as error:
        raise DamagedLogError(segment.log_path, error.position, intact_offset, error.reason) from error
    finally:
        handle.unpin()


def _newest_snapshot(log: "LogState", offset_max: int) -> tuple[ProducerState, int, bool]:
    """State, its offset, and whether it is the newest there is (or there is none at all)."""
    is_newest, first_offset = True, log.segments[0].base_offset
    for offset in reversed(log.snapshot_offsets):
        if offset <= offset_max:
            try:
                content = read_file(log.storage.files, path_of(log.directory, offset, SNAPSHOT_SUFFIX))
                state = producer_snapshot.decode(content)
                _recall(log, state, offset)
                return state, max(offset, first_offset), is_newest
            except (CorruptFileError, FileNotFoundError):
                is_newest = False
    return ProducerState(), first_offset, is_newest


def _recall(log: "LogState", state: ProducerState, offset: int) -> None:
    """Learn from the log what the snapshot at `offset` has no room for: of each producer the batches before its last.

    A producer whose broker died sends up to five again. They are near the end of the log; what lies far back, or cannot
    be read, is not known any more.
    """
    if not state.entries:
        return
    recalled, first_offset = ProducerState(), log.segments[0].base_offset
    for records in RECALLED_RECORDS:
        start = max(offset - records, first_offset)
        try:
            headers = list(takewhile(lambda header: header.base_offset < offset, _headers(log, start)))
        except (DamagedLogError, OSError):
            return
        if len(headers) >= RECALLED_BATCHES or start == first_offset:
            break
    for header in headers:
        _update(recalled, header)
    for entry in state.entries.values():
        entry.recall(recalled.entries.get(entry.producer_id))
