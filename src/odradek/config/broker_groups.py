"""Options of the broker: groups, their offsets, membership of the cluster."""

from odradek.config.checks import ANY, POSITIVE, Between, Check
from odradek.config.option import Option
from odradek.config.values import INT_MAX, Type

OFFSETS_TOPIC = "__consumer_offsets"
"""Where groups and what they have committed are stored; the options of `offsets.topic` are about it."""


def _int(name: str, default: int, doc: str, check: Check = ANY) -> Option:
    return Option(name=name, type=Type.INT, default=default, doc=doc, check=check)


GROUPS = (
    _int("group.min.session.timeout.ms", 6_000, "Shortest session timeout a group member may ask for."),
    _int("group.max.session.timeout.ms", 1_800_000, "Longest session timeout a group member may ask for."),
    _int("group.max.size", INT_MAX, "Most members of one group.", POSITIVE),
    _int(
        "group.initial.rebalance.delay.ms",
        3_000,
        "Time an empty group waits for more members before its first rebalance.",
    ),
)

OFFSETS = (
    _int("offset.metadata.max.bytes", 4096, "Longest text a client may store beside an offset."),
    _int("offsets.retention.minutes", 7 * 24 * 60, "Time an empty group's offsets are kept.", POSITIVE),
    Option(
        name="offsets.retention.check.interval.ms",
        type=Type.LONG,
        default=600_000,
        check=POSITIVE,
        doc="Time between two looks for offsets past retention.",
    ),
    _int("offsets.commit.timeout.ms", 5_000, "Time an offset commit waits for its replicas.", POSITIVE),
    _int("offsets.topic.num.partitions", 50, "Partitions of the topic that holds the offsets.", POSITIVE),
    Option(
        name="offsets.topic.replication.factor",
        type=Type.SHORT,
        default=3,
        check=POSITIVE,
        doc="Replicas of the topic that holds the offsets; with fewer brokers one on each, and more as they join.",
    ),
    _int("offsets.topic.segment.bytes", 100 << 20, "Segment size of the topic that holds the offsets.", POSITIVE),
    _int(
        "offsets.topic.compression.codec",
        0,
        "Compression of the offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
        Between(0, 4),
    ),
)

MEMBERSHIP = (
    _int(
        "broker.session.timeout.ms", 9_000, "Time without a sign of life after which a broker counts as gone.", POSITIVE
    ),
    _int(
        "odradek.gray.after.ms",
        5_000,
        "Time lost, within twice as much, that makes a living broker give up its leaderships: its event loop stood "
        "still, its disk made writes wait, or other brokers did not reach it.",
        POSITIVE,
    ),
    _int(
        "odradek.gray.calm.ms",
        30_000,
        "Time in which nothing is lost before such a broker may lead again; doubled when it soon happens again.",
        POSITIVE,
    ),
)
