"""Names of the files of one partition, as Apache Kafka gives them: the base offset in 20 digits and a suffix."""

LOG_SUFFIX = ".log"
OFFSET_INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"
TRANSACTION_INDEX_SUFFIX = ".txnindex"
SNAPSHOT_SUFFIX = ".snapshot"
DELETED_SUFFIX = ".deleted"
CLEANED_SUFFIX = ".cleaned"
"""A segment that compaction is making."""
SWAP_SUFFIX = ".swap"
"""One that takes the place of others."""
LEADER_EPOCH_FILE = "leader-epoch-checkpoint"
PARTITION_METADATA_FILE = "partition.metadata"

SEGMENT_SUFFIXES = (LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)

_DIGITS = 20


def path_of(directory: str, base_offset: int, suffix: str) -> str:
    """`<directory>/00000000000000000042.log` for offset 42."""
    return f"{directory}/{base_offset:020d}{suffix}"


def base_offset_of(name: str, suffix: str) -> int | None:
    """The offset in a file's name, or None when the name is of another kind."""
    digits = name[: -len(suffix)]
    if name.endswith(suffix) and len(digits) == _DIGITS and digits.isascii() and digits.isdigit():
        return int(digits)
    return None


def base_offsets(names: list[str], suffix: str) -> list[int]:
    """Offsets of all files of one kind in a directory listing, ascending."""
    found = (base_offset_of(name, suffix) for name in names if name.endswith(suffix))
    return sorted(offset for offset in found if offset is not None)
