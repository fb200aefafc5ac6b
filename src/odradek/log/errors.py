"""What a log raises. Answers a client is meant to get are values (`AppendResult.error`), never exceptions.

An operating system error becomes one of two: `DiskFullError` (refused, nothing changed, try again when there is
space) or `DirectoryFailedError` (the directory must not be written again before a recovery has re-read it).
"""

import errno


class LogError(Exception):
    """Base of everything this package raises on purpose."""


class DiskFullError(LogError):
    """No space or quota left. The log is as it was before the call; reads go on."""


class DirectoryFailedError(LogError):
    """The disk failed in a way that leaves its content uncertain: take the whole log directory offline."""


class DamagedLogError(LogError):
    """Bytes below the recovery point are not what was written; they are never cut by a recovery.

    `intact_offset` is the offset up to which every batch before the damage is whole.
    """

    def __init__(self, path: str, position: int, intact_offset: int, reason: str) -> None:
        super().__init__(f"{path} is damaged at byte {position} (intact up to offset {intact_offset}): {reason}")
        self.path = path
        self.position = position
        self.intact_offset = intact_offset
        self.reason = reason


class OffsetOutOfRangeError(LogError):
    """The offset lies below the log start or above the end the reader may see."""

    def __init__(self, offset: int, log_start_offset: int, end_offset: int) -> None:
        super().__init__(f"offset {offset} is outside of [{log_start_offset}, {end_offset}]")
        self.offset = offset
        self.log_start_offset = log_start_offset
        self.end_offset = end_offset


class UnexpectedOffsetError(LogError):
    """A replicated batch does not follow the end of the log, or batches of one append are not in order."""


class ColdError(LogError):
    """The pages asked for are not in memory: repeat the call in the executor, where waiting is allowed."""


class CorruptIndexError(LogError):
    """An index disagrees with its segment. Indexes are derived: rebuild it."""


class CorruptFileError(LogError):
    """A small file (snapshot, checkpoint, metadata) does not hold what its format demands."""


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def disk_error(error: OSError, action: str) -> DiskFullError | DirectoryFailedError:
    """What a failed *write* means. Every other failed call is a `DirectoryFailedError`, whatever its number."""
    if error.errno in _FULL:
        return DiskFullError(f"{action}: {error.strerror}")
    return DirectoryFailedError(f"{action}: {error}")
