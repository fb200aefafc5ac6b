"""What it takes to open the logs of one directory, from its small files; one that is damaged is worth nothing."""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from odradek.host.files import read_file
from odradek.log import checkpoints, inventory
from odradek.log.directory import LogDirectory
from odradek.log.errors import CorruptFileError
from odradek.log.inventory import INVENTORY, Listing, ListingKey
from odradek.log.opening import Stop
from odradek.log.partition_files import PartitionKey

logger = logging.getLogger(__name__)


class OpenTask(NamedTuple):
    """What it takes to open a log, as plain values."""

    path: str
    key: PartitionKey
    log_start_offset: int
    recovery_point: int
    listing: Listing | None = None
    """What the log consisted of when that was last certain, None when nothing is known."""
    cleaned_offset: int = -1
    """Where its last compaction ended, -1 when there was none."""
    high_watermark: int = -1
    """Below it everything was committed, -1 when that is not known."""


def open_tasks(directory: LogDirectory, keys: Sequence[PartitionKey]) -> list[OpenTask]:
    """One for each of the directory's partitions named. Raises OSError."""
    recovery_points = readable_offsets(directory, checkpoints.RECOVERY_POINT)
    starts = readable_offsets(directory, checkpoints.LOG_START_OFFSET)
    cleaned = readable_offsets(directory, checkpoints.CLEANER_OFFSET)
    committed = readable_offsets(directory, checkpoints.HIGH_WATERMARK)
    listings = read_listings(directory)
    tasks = []
    for key in keys:
        place = key.topic, key.partition
        start_offset, recovery_point = starts.get(place, 0), recovery_points.get(place, 0)
        listing = listings.get((key.topic, key.partition, key.topic_id))
        path, cleaned_offset, high_watermark = (
            directory.file(key.name),
            cleaned.get(place, -1),
            committed.get(place, -1),
        )
        tasks.append(OpenTask(path, key, start_offset, recovery_point, listing, cleaned_offset, high_watermark))
    return tasks


def stop_of(directory: LogDirectory, key: PartitionKey) -> Stop:
    """How the process that last wrote the partition's log ended."""
    if directory.clean:
        return Stop.CLEAN
    return Stop.PROCESS_CRASH if directory.same_boot and key.name not in directory.suspects else Stop.POWER_LOSS


def readable_offsets(directory: LogDirectory, name: str) -> checkpoints.Offsets:
    """A checkpoint's offsets, none when it cannot be read as one. Raises OSError."""
    try:
        return checkpoints.read_offsets(directory.files, directory.file(name))
    except checkpoints.CorruptCheckpointError as error:
        logger.warning("%s is not used: %s", directory.file(name), error)
        return {}


def read_listings(directory: LogDirectory) -> Mapping[ListingKey, Listing]:
    """The directory's inventory, empty when it is not the one that the last stop or checkpoint left. Raises OSError.

    Kafka may have run here since: it leaves a marker that names no inventory, and checkpoints of its own.
    """
    content = _read(directory, INVENTORY)
    if content is None:
        return {}
    try:
        found = inventory.parse(content)
    except CorruptFileError as error:
        logger.warning("%s is not used: %s", directory.file(INVENTORY), error)
        return {}
    if directory.clean:
        is_current = found.identity == directory.inventory
    else:
        is_current = inventory.belongs_to(found, _read(directory, checkpoints.RECOVERY_POINT) or b"")
    return found.listings if is_current else {}


def _read(directory: LogDirectory, name: str) -> bytes | None:
    try:
        return read_file(directory.files, directory.file(name))
    except FileNotFoundError:
        return None
