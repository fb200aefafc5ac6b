"""What an append costs per record or per compressed byte, done before it and off the event loop."""

from typing import TYPE_CHECKING

from odradek.log.append import AppendRefusal, Origin
from odradek.log.recompression import PRODUCER, in_topic_codec, needs_recompression
from odradek.log.validation import check_batch, is_cheap_to_look_into, single_batch, timestamps_are_plausible
from odradek.wire.records import HEADER_SIZE, BatchHeader, read_header

if TYPE_CHECKING:
    from odradek.config import TopicConfig


def is_due(records: memoryview, config: "TopicConfig") -> bool:
    """Whether `prepare` should come before the append: to compress anew, or to look for keys in many records."""
    if config.compression_type != PRODUCER and needs_recompression(records, config):
        return True
    return "compact" in config.cleanup_policy and not is_cheap_to_look_into(records)


def is_due_for_timestamps(records: memoryview, config: "TopicConfig", now_ms: int) -> bool:
    """The same for records that have to be looked at to see which timestamps are out of range."""
    if len(records) < HEADER_SIZE or is_cheap_to_look_into(records):
        return False
    return not timestamps_are_plausible(read_header(records), config, now_ms)


def prepare(records: memoryview, config: "TopicConfig", now_ms: int) -> memoryview | AppendRefusal:
    """A client's batch, checked and in the topic's codec; `Log.append` takes it with `checked_for` this very config.

    Pure and CPU-heavy: runs in the executor.
    """
    try:
        batch, header = single_batch(records)
        return checked(batch, header, config, "client", now_ms)
    except AppendRefusal as refusal:
        return refusal


def checked(
    batch: memoryview,
    header: BatchHeader,
    config: "TopicConfig",
    origin: Origin,
    now_ms: int,
    *,
    name_timestamps: bool = True,
) -> memoryview:
    """The batch in the topic's codec. Raises AppendRefusal. `name_timestamps`: see `check_batch`."""
    refusal = check_batch(batch, header, config, origin, now_ms, name_timestamps=name_timestamps)
    if refusal is not None:
        raise refusal
    return in_topic_codec(batch, config)
