"""Options of the log cleaner, which compacts topics whose cleanup.policy says so."""

import sys

from odradek.config.checks import NOT_NEGATIVE, POSITIVE, Between
from odradek.config.option import Option
from odradek.config.values import Type

SLOT_BYTES = 24
"""Memory of one key."""

CLEANER = (
    Option(
        name="log.cleaner.enable",
        type=Type.BOOLEAN,
        default=True,
        doc="Whether topics with cleanup.policy=compact, the offsets of groups among them, are compacted.",
    ),
    Option(
        name="log.cleaner.threads",
        type=Type.INT,
        default=1,
        check=POSITIVE,
        dynamic=True,
        doc="Partitions compacted at a time, each by a process of its own; they share buffers and rate.",
    ),
    Option(
        name="log.cleaner.dedupe.buffer.size",
        type=Type.LONG,
        default=128 << 20,
        check=Between(4 * SLOT_BYTES),
        dynamic=True,
        doc=f"Memory for the keys of a compaction, {SLOT_BYTES} bytes a key; of more keys the rest waits for another.",
    ),
    Option(
        name="log.cleaner.io.buffer.size",
        type=Type.INT,
        default=512 << 10,
        check=NOT_NEGATIVE,
        dynamic=True,
        doc="Memory for what compactions read and write at a time.",
    ),
    Option(
        name="log.cleaner.io.buffer.load.factor",
        type=Type.DOUBLE,
        default=0.9,
        check=Between(0.01, 1),
        dynamic=True,
        doc="Share of the memory for keys that is filled; the fuller it is, the longer a key is looked for.",
    ),
    Option(
        name="log.cleaner.io.max.bytes.per.second",
        type=Type.DOUBLE,
        default=sys.float_info.max,
        check=Between(1),
        dynamic=True,
        doc="Bytes that all compactions read and write in a second, on average over each.",
    ),
    Option(
        name="log.cleaner.backoff.ms",
        type=Type.LONG,
        default=15_000,
        check=NOT_NEGATIVE,
        dynamic=True,
        doc="Time between two looks for partitions to compact.",
    ),
)
