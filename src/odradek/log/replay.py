"""Producer state from snapshots and the batches behind them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from odradek.host.files import read_file
from odradek.log import producer_snapshot, reading
from odradek.log.batch_walk import BatchWalk, Located, MalformedBatchError
from odradek.log.errors import CorruptFileError, DamagedLogError
from odradek.log.paths import SNAPSHOT_SUFFIX, path_of
from odradek.log.producer_state import ProducerState

if TYPE_CHECKING:
    from odradek.log.log_state import LogState
    from odradek.log.segment import Segment


def load_producers(log: "LogState") -> ProducerState:
    """The newest intact snapshot, brought up to the log end.

    Reads one small file; after truncation, or when that file is damaged, also batch headers.
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
        for segment in log.segments[log.segments.index(log.segment_of(offset)) :]:
            for _, header in batches_of(segment, offset):
                if header.producer_id >= 0 and header.base_offset >= offset and not header.is_control:
                    state.update(
                        header.producer_id,
                        header.producer_epoch,
                        header.last_sequence,
                        header.last_offset,
                        header.last_offset_delta,
                        header.max_timestamp,
                    )
    return state


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
                return producer_snapshot.decode(content), max(offset, first_offset), is_newest
            except (CorruptFileError, FileNotFoundError):
                is_newest = False
    return ProducerState(), first_offset, is_newest
