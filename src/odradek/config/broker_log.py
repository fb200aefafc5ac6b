"""Options of the broker: defaults of topics, log directories, upkeep of the log.

A broker key that only gives a topic option its default takes type, check and default from that option.
"""

from collections.abc import Iterator

from odradek.config.checks import NOT_NEGATIVE, POSITIVE, Between, Check, NotEmpty, UnlimitedOr
from odradek.config.option import Option
from odradek.config.topic import HOUR_MS, MINUTE_MS, TOPIC_OPTIONS
from odradek.config.values import Type, Value

UNITS = {HOUR_MS: "hours", MINUTE_MS: "minutes"}
NO_DEFAULT = (
    "log.roll.ms",
    "log.roll.jitter.ms",
    "log.retention.ms",
    "log.retention.minutes",
    "log.flush.interval.ms",
)
"""The strongest of several keys for one option is unset until somebody sets it, else the others could never count."""
CHECKS: dict[str, Check] = {
    "log.retention.ms": UnlimitedOr(1),
    "log.retention.minutes": UnlimitedOr(1),
    "log.retention.hours": UnlimitedOr(1),
    "log.roll.hours": POSITIVE,
    "log.flush.interval.ms": NOT_NEGATIVE,
    "log.flush.scheduler.interval.ms": NOT_NEGATIVE,
}
STATIC = ("log.retention.hours", "log.retention.minutes", "log.roll.hours", "log.roll.jitter.hours",
          "log.flush.scheduler.interval.ms")  # fmt: skip


def _topic_defaults() -> Iterator[Option]:
    for option in TOPIC_OPTIONS.values():
        for synonym in option.synonyms:
            unit = UNITS.get(synonym.factor, "")
            yield Option(
                name=synonym.name,
                type=Type.INT if unit else option.type,
                default=None if synonym.name in NO_DEFAULT else _scaled(option.default, synonym.factor),
                check=CHECKS.get(synonym.name, option.check),
                dynamic=synonym.name not in STATIC,
                doc=f"Default of the topic option {option.name}{f', in {unit}' if unit else ''}.",
            )


def _scaled(default: Value, factor: int) -> Value:
    return default // factor if isinstance(default, int) and factor > 1 else default


TOPIC_DEFAULTS = tuple(_topic_defaults())

TOPICS = (
    Option(
        name="num.partitions",
        type=Type.INT,
        default=1,
        check=POSITIVE,
        doc="Partitions of a topic that is created without a number.",
    ),
    Option(
        name="default.replication.factor",
        type=Type.INT,
        default=1,
        check=POSITIVE,
        doc="Replicas of a topic that is created without a number.",
    ),
    Option(
        name="auto.create.topics.enable",
        type=Type.BOOLEAN,
        default=True,
        doc="Whether asking for the metadata of an unknown topic creates it.",
    ),
    Option(
        name="delete.topic.enable",
        type=Type.BOOLEAN,
        default=True,
        doc="Whether topics can be deleted.",
    ),
)

DIRECTORIES = (
    Option(
        name="log.dirs",
        type=Type.LIST,
        default=(),
        check=NotEmpty(),
        doc="Directories the partitions are spread over; by default `$ODRADEK_DATA_DIR`, else "
        "`$XDG_DATA_HOME/odradek`.",
    ),
    Option(
        name="num.recovery.threads.per.data.dir",
        type=Type.INT,
        default=2,
        check=POSITIVE,
        doc="Partitions of one directory that are recovered at a time after a crash.",
    ),
    Option(
        name="odradek.disk.reserve.bytes",
        type=Type.LONG,
        default=64 << 20,
        check=NOT_NEGATIVE,
        doc="Space kept free in each log directory: writes are refused before the disk is quite full.",
    ),
    Option(
        name="odradek.open.files.max",
        type=Type.INT,
        default=4096,
        check=Between(16),
        doc="Segment and index files kept open at a time, at most half of what the system allows the process.",
    ),
)

UPKEEP = (
    Option(
        name="log.retention.check.interval.ms",
        type=Type.LONG,
        default=300_000,
        check=POSITIVE,
        doc="Time between two looks for segments past retention.",
    ),
    Option(
        name="log.flush.offset.checkpoint.interval.ms",
        type=Type.INT,
        default=60_000,
        check=POSITIVE,
        doc="Time between two checkpoints of what is on disk for certain, which bounds recovery after a crash.",
    ),
    Option(
        name="log.flush.start.offset.checkpoint.interval.ms",
        type=Type.INT,
        default=60_000,
        check=POSITIVE,
        doc="Time between two checkpoints of where each partition's log starts.",
    ),
    Option(
        name="replica.high.watermark.checkpoint.interval.ms",
        type=Type.LONG,
        default=5_000,
        check=POSITIVE,
        doc="Time between two checkpoints of the high watermarks.",
    ),
    Option(
        name="producer.id.expiration.ms",
        type=Type.INT,
        default=86_400_000,
        check=POSITIVE,
        dynamic=True,
        doc="Time without a write after which an idempotent producer's state is forgotten.",
    ),
    Option(
        name="producer.id.expiration.check.interval.ms",
        type=Type.INT,
        default=600_000,
        check=POSITIVE,
        doc="Time between two looks for producers whose state can be forgotten.",
    ),
)
