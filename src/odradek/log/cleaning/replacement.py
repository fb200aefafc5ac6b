"""A compacted segment takes the place of those it was made of, in a log that is being read (`swap`: in its directory).

`begin` and `end` run on the event loop and do nothing that waits; what waits is done between them in the executor.
"""

from random import Random
from typing import TYPE_CHECKING

from odradek.host.files import FileSystem
from odradek.log import reading
from odradek.log.cleaning import swap
from odradek.log.cleaning.job import Replaced
from odradek.log.descriptors import Descriptors
from odradek.log.errors import LogError
from odradek.log.paths import CLEANED_SUFFIX, SEGMENT_SUFFIXES, SWAP_SUFFIX, path_of
from odradek.log.segment import Segment
from odradek.log.storage import LogStorage

if TYPE_CHECKING:
    from odradek.log.log_state import LogState


class WrongOutputError(LogError):
    """What a cleaning wrote is not what it said, or does not fit in."""


class Swap:
    """Of the segments that a `Replaced` names, in one log. `LogState.swap` while it is under way."""

    def __init__(self, log: "LogState", job_id: str, replaced: Replaced) -> None:
        """Raises WrongOutputError when the sources are not segments of the log, one after the other."""
        self._log = log
        self._files = log.storage.files
        self._job_id = job_id
        self._replaced = replaced
        self._old = [each for each in log.segments[:-1] if each.base_offset in replaced.sources]
        if not self._old or tuple(each.base_offset for each in self._old) != replaced.sources:
            raise WrongOutputError(f"segments {replaced.sources} are not those of {log.directory}")
        self._first = log.segments.index(self._old[0])
        self._new: Segment | None = None

    @property
    def base_offset(self) -> int:
        """Of the new segment."""
        return self._replaced.sources[0]

    @property
    def end_offset(self) -> int:
        """Where the next segment begins."""
        return self._log.segments[self._first + len(self._old)].base_offset

    def begin(self) -> None:
        """From here on the log is the new one, to readers and to whoever finds it after a crash. Raises OSError."""
        log, replaced = self._log, self._replaced
        swap.commit(self._files, log.directory, self.base_offset, self._job_id)
        for segment in self._old:
            self._forget(segment)
        new = Segment(log.storage, log.directory, self.base_offset, replaced.size, self._old[-1].created_ms)
        new.suffix = SWAP_SUFFIX
        new.max_timestamp_ms, new.max_timestamp_offset = replaced.max_timestamp_ms, replaced.max_timestamp_offset
        log.segments = [*log.segments[: self._first], new, *log.segments[self._first + len(self._old) :]]
        log.size_bytes += new.size - sum(segment.size for segment in self._old)
        log.swap, self._new = self, new
        self._changed()

    def end(self) -> None:
        """The old segments' files are gone: the new one gets its names. Raises OSError."""
        new = self._new
        if new is None or not new.suffix:
            return
        self._forget(new)
        swap.finish(self._files, self._log.directory, self.base_offset)
        new.suffix = ""
        self._changed()

    def stored(self) -> None:
        """All of it is durable: the segments are like any others."""
        self._log.swap = None

    def complete_now(self) -> None:
        """All that is left to do, at once. Raises OSError."""
        self._log.swap = None
        for path in swap.set_old_aside(self._files, self._log.directory, self._replaced.sources):
            self._files.unlink(path)
        self.end()
        self._files.sync_directory(self._log.directory)

    def _changed(self) -> None:
        self._log.generation += 1
        self._log.reads = None

    def _forget(self, segment: Segment) -> None:
        for path in [path_of(self._log.directory, segment.base_offset, each) for each in SEGMENT_SUFFIXES]:
            self._log.forget_file(path + segment.suffix)
        segment.handle = None


def prepare(files: FileSystem, directory: str, base_offset: int, job_id: str, size: int, end_offset: int) -> None:
    """Look at a job's output and make it durable. Runs in the executor.

    The last batches are looked at: a segment that ends early, or late, is found. Raises WrongOutputError, OSError.
    """
    path = swap.cleaned_path(directory, base_offset, SEGMENT_SUFFIXES[0], job_id)
    descriptors = Descriptors(files)
    try:
        segment = Segment(LogStorage(files, descriptors, Random(0)), directory, base_offset, size, 0)
        segment.suffix = f".{job_id}{CLEANED_SUFFIX}"
        try:
            found = files.stat(path).size, reading.end_offset_of(segment)
        except (LogError, FileNotFoundError) as error:
            raise WrongOutputError(f"{path}: {error}") from error
    finally:
        descriptors.close()
    if found != (size, end_offset):
        raise WrongOutputError(f"{path} has {found[0]} bytes up to offset {found[1]}, not {size} up to {end_offset}")
    swap.prepare(files, directory, base_offset, job_id)
