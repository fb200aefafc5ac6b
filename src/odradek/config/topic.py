"""The options of a topic. Nearly each has a broker key that gives its default; a topic's own value wins."""

from odradek.config.checks import ANY, NOT_NEGATIVE, POSITIVE, Between, Check, OneOf, Replicas, SomeOf
from odradek.config.option import Option, Scope, Synonym, table
from odradek.config.values import LONG_MAX, Type, Value

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

COMPRESSION_TYPES = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
CLEANUP_POLICIES = ("compact", "delete")
SEGMENT_BYTES_MIN = 1024 * 1024


class GzipLevel:
    """1 to 9, or -1 for the library's own choice."""

    allowed = "1 to 9, or -1"

    def __call__(self, value: Value) -> None:
        if not isinstance(value, int) or not (1 <= value <= 9 or value == -1):
            raise ValueError("Value must be between 1 and 9 or equal to -1")


def _topic(name: str, type_: Type, default: Value, synonyms: str, doc: str, check: Check = ANY) -> Option:
    """`synonyms`: broker keys, the strongest first, each with its unit in ms after a `*` where it is not 1."""
    pairs = (each.partition("*") for each in synonyms.split())
    return Option(
        name=name,
        type=type_,
        default=default,
        doc=doc,
        scope=Scope.TOPIC,
        check=check,
        dynamic=True,
        synonyms=tuple(Synonym(key, int(factor or 1)) for key, _, factor in pairs),
    )


LAYOUT = (
    _topic(
        "segment.bytes",
        Type.INT,
        1 << 30,
        "log.segment.bytes",
        "Size at which a segment file is closed and a new one begun.",
        Between(SEGMENT_BYTES_MIN),
    ),
    _topic(
        "segment.ms",
        Type.LONG,
        7 * DAY_MS,
        f"log.roll.ms log.roll.hours*{HOUR_MS}",
        "Age at which a segment is closed even when it is not full, so that retention can delete it.",
        POSITIVE,
    ),
    _topic(
        "segment.jitter.ms",
        Type.LONG,
        0,
        f"log.roll.jitter.ms log.roll.jitter.hours*{HOUR_MS}",
        "Largest random time taken off segment.ms, so that many partitions do not roll at once.",
        NOT_NEGATIVE,
    ),
    _topic(
        "segment.index.bytes",
        Type.INT,
        10 << 20,
        "log.index.size.max.bytes",
        "Largest size of a segment's index; a full index closes the segment.",
        Between(4),
    ),
    _topic(
        "index.interval.bytes",
        Type.INT,
        4096,
        "log.index.interval.bytes",
        "Bytes of records between two entries of the offset index.",
        NOT_NEGATIVE,
    ),
    _topic(
        "preallocate",
        Type.BOOLEAN,
        False,
        "log.preallocate",
        "Whether a new segment's file is given its full size at once.",
    ),
)

RETENTION = (
    _topic(
        "cleanup.policy",
        Type.LIST,
        ("delete",),
        "log.cleanup.policy",
        "What happens to old records: delete removes segments past retention, compact keeps each key's last record.",
        SomeOf(CLEANUP_POLICIES),
    ),
    _topic(
        "retention.ms",
        Type.LONG,
        7 * DAY_MS,
        f"log.retention.ms log.retention.minutes*{MINUTE_MS} log.retention.hours*{HOUR_MS}",
        "Age past which a segment is deleted; -1 keeps segments of any age.",
        Between(-1),
    ),
    _topic(
        "retention.bytes",
        Type.LONG,
        -1,
        "log.retention.bytes",
        "Size of a partition past which its oldest segments are deleted; -1 sets no limit.",
    ),
    _topic(
        "file.delete.delay.ms",
        Type.LONG,
        MINUTE_MS,
        "log.segment.delete.delay.ms",
        "Time between a file's removal from the log and its removal from the file system.",
        NOT_NEGATIVE,
    ),
    _topic(
        "delete.retention.ms",
        Type.LONG,
        DAY_MS,
        "log.cleaner.delete.retention.ms",
        "Time a compacted topic keeps the marker of a deleted key.",
        NOT_NEGATIVE,
    ),
    _topic(
        "min.compaction.lag.ms",
        Type.LONG,
        0,
        "log.cleaner.min.compaction.lag.ms",
        "Least age of a record that compaction may remove.",
        NOT_NEGATIVE,
    ),
    _topic(
        "max.compaction.lag.ms",
        Type.LONG,
        LONG_MAX,
        "log.cleaner.max.compaction.lag.ms",
        "Age at which a record becomes due for compaction whatever the share of such records is.",
        POSITIVE,
    ),
    _topic(
        "min.cleanable.dirty.ratio",
        Type.DOUBLE,
        0.5,
        "log.cleaner.min.cleanable.ratio",
        "Share of a partition not yet compacted at which compaction begins.",
        Between(0, 1),
    ),
)

RECORDS = (
    _topic(
        "max.message.bytes",
        Type.INT,
        1048588,
        "message.max.bytes",
        "Largest record batch a producer may send, after compression.",
        NOT_NEGATIVE,
    ),
    _topic(
        "message.timestamp.type",
        Type.STRING,
        "CreateTime",
        "log.message.timestamp.type",
        "Whether a record keeps the producer's timestamp or gets the time of its append.",
        OneOf(TIMESTAMP_TYPES),
    ),
    _topic(
        "message.timestamp.before.max.ms",
        Type.LONG,
        LONG_MAX,
        "log.message.timestamp.before.max.ms",
        "How far a producer's timestamp may lie before the broker's clock.",
        NOT_NEGATIVE,
    ),
    _topic(
        "message.timestamp.after.max.ms",
        Type.LONG,
        HOUR_MS,
        "log.message.timestamp.after.max.ms",
        "How far a producer's timestamp may lie after the broker's clock.",
        NOT_NEGATIVE,
    ),
    _topic(
        "compression.type",
        Type.STRING,
        "producer",
        "compression.type",
        "Compression on disk; producer keeps what each batch came with.",
        OneOf(COMPRESSION_TYPES),
    ),
    _topic(
        "compression.gzip.level",
        Type.INT,
        -1,
        "compression.gzip.level",
        "Level used where compression.type is gzip.",
        GzipLevel(),
    ),
    _topic(
        "compression.lz4.level",
        Type.INT,
        9,
        "compression.lz4.level",
        "Level used where compression.type is lz4.",
        Between(1, 17),
    ),
    _topic(
        "compression.zstd.level",
        Type.INT,
        3,
        "compression.zstd.level",
        "Level used where compression.type is zstd.",
        Between(-131072, 22),
    ),
)

DURABILITY = (
    _topic(
        "flush.messages",
        Type.LONG,
        LONG_MAX,
        "log.flush.interval.messages",
        "Records after which a partition is synced to disk; 1 acknowledges only what survives a power loss.",
        POSITIVE,
    ),
    _topic(
        "flush.ms",
        Type.LONG,
        LONG_MAX,
        "log.flush.interval.ms log.flush.scheduler.interval.ms",
        "Time after which a partition with unsynced records is synced to disk.",
        NOT_NEGATIVE,
    ),
    _topic(
        "min.insync.replicas",
        Type.INT,
        1,
        "min.insync.replicas",
        "In-sync replicas a write with acks=all needs.",
        POSITIVE,
    ),
    _topic(
        "unclean.leader.election.enable",
        Type.BOOLEAN,
        False,
        "unclean.leader.election.enable",
        "Whether a replica that is not in sync may become leader when no other is left, losing records.",
    ),
)

REPLICATION = (
    _topic(
        "leader.replication.throttled.replicas",
        Type.LIST,
        (),
        "",
        "Replicas that, as leaders, let others catch up no faster than leader.replication.throttled.rate of their "
        "broker; * names all.",
        Replicas(),
    ),
    _topic(
        "follower.replication.throttled.replicas",
        Type.LIST,
        (),
        "",
        "Replicas that catch up no faster than follower.replication.throttled.rate of their broker; * names all.",
        Replicas(),
    ),
)

TOPIC_OPTIONS = table(LAYOUT, RETENTION, RECORDS, DURABILITY, REPLICATION)
