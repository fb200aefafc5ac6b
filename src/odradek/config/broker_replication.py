"""Options of the broker: how it follows other brokers' partitions."""

from odradek.config.checks import NOT_NEGATIVE, POSITIVE, Between
from odradek.config.option import Option
from odradek.config.values import INT_MAX, LONG_MAX, Type

FOLLOWING = (
    Option(
        name="inter.broker.listener.name",
        type=Type.STRING,
        default=None,
        doc="Listener over which brokers reach each other; the first of listeners if not set.",
    ),
    Option(
        name="num.replica.fetchers",
        type=Type.INT,
        default=1,
        check=POSITIVE,
        doc="Connections over which a broker fetches from each leader; a partition always goes over the same one.",
    ),
    Option(
        name="replica.fetch.wait.max.ms",
        type=Type.INT,
        default=500,
        check=NOT_NEGATIVE,
        doc="Time a leader may wait for records before it answers a replica.",
    ),
    Option(
        name="replica.fetch.min.bytes",
        type=Type.INT,
        default=1,
        check=NOT_NEGATIVE,
        doc="Bytes of records for which a leader may wait before it answers a replica.",
    ),
    Option(
        name="replica.fetch.max.bytes",
        type=Type.INT,
        default=1 << 20,
        check=NOT_NEGATIVE,
        doc="Most bytes of one partition in one answer to a replica; a first batch is sent whatever its size.",
    ),
    Option(
        name="replica.fetch.response.max.bytes",
        type=Type.INT,
        default=10 << 20,
        check=Between(0, INT_MAX >> 1),
        doc="Most bytes of records in one answer to a replica; a first batch is sent whatever its size.",
    ),
    Option(
        name="replica.fetch.backoff.ms",
        type=Type.INT,
        default=1000,
        check=NOT_NEGATIVE,
        doc="Longest time after a failure before a replica asks its leader again.",
    ),
    Option(
        name="replica.socket.timeout.ms",
        type=Type.INT,
        default=30_000,
        check=POSITIVE,
        doc="Time without an answer after which a replica gives up a connection to its leader.",
    ),
    Option(
        name="replica.socket.receive.buffer.bytes",
        type=Type.INT,
        default=64 << 10,
        check=Between(-1),
        doc="Bytes the system may receive ahead of a replica; -1 leaves it to the system.",
    ),
    Option(
        name="follower.replication.throttled.rate",
        type=Type.LONG,
        default=LONG_MAX,
        check=NOT_NEGATIVE,
        dynamic=True,
        doc="Bytes per second at which this broker's throttled replicas may catch up.",
    ),
    Option(
        name="leader.replication.throttled.rate",
        type=Type.LONG,
        default=LONG_MAX,
        check=NOT_NEGATIVE,
        dynamic=True,
        doc="Bytes per second at which replicas elsewhere may catch up with this broker's throttled ones.",
    ),
)
