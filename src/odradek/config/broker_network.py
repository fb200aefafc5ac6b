"""Options of the broker: identity, connections, requests."""

from odradek.config.checks import NOT_NEGATIVE, POSITIVE, AddressLimits, Between, NotEmpty, UnlimitedOr
from odradek.config.option import Option
from odradek.config.values import INT_MAX, Type

QUEUED_REQUEST_BYTES = 256 << 20

IDENTITY = (
    Option(
        name="node.id",
        type=Type.INT,
        default=1,
        check=NOT_NEGATIVE,
        doc="Number of this broker, its own in the cluster and the same for life.",
    ),
    Option(
        name="broker.rack",
        type=Type.STRING,
        default=None,
        doc="Where the broker stands (rack, zone); replicas of a partition are spread over racks. Unless it is set, "
        "a broker whose metadata is in etcd or served by a supervisor has the name of its host.",
    ),
    Option(
        name="listeners",
        type=Type.LIST,
        default=("PLAINTEXT://127.0.0.1:9092",),
        check=NotEmpty(),
        doc="Addresses the broker accepts connections on, as NAME://HOST:PORT; port 0 takes a free one.",
    ),
    Option(
        name="advertised.listeners",
        type=Type.LIST,
        default=None,
        doc="Addresses clients are told to connect to; those of listeners if not set; needed with 0.0.0.0.",
    ),
    Option(
        name="listener.security.protocol.map",
        type=Type.LIST,
        default=("PLAINTEXT:PLAINTEXT",),
        doc="Security protocol of each listener name, as NAME:PROTOCOL.",
    ),
)

CONNECTIONS = (
    Option(
        name="socket.listen.backlog.size",
        type=Type.INT,
        default=50,
        check=POSITIVE,
        doc="Connections the system may keep waiting to be accepted.",
    ),
    Option(
        name="socket.request.max.bytes",
        type=Type.INT,
        default=100 << 20,
        check=POSITIVE,
        doc="Largest request; a connection that announces a larger one is closed.",
    ),
    Option(
        name="connections.max.idle.ms",
        type=Type.LONG,
        default=600_000,
        doc="Time without a request after which a connection is closed; negative: never.",
    ),
    Option(
        name="max.connections",
        type=Type.INT,
        default=INT_MAX,
        check=POSITIVE,
        dynamic=True,
        doc="Connections the broker keeps open at a time.",
    ),
    Option(
        name="max.connections.per.ip",
        type=Type.INT,
        default=INT_MAX,
        check=NOT_NEGATIVE,
        dynamic=True,
        doc="Connections the broker keeps open at a time from one address.",
    ),
    Option(
        name="max.connections.per.ip.overrides",
        type=Type.LIST,
        default=(),
        check=AddressLimits(),
        dynamic=True,
        doc="Addresses with a limit of their own, as ADDRESS:NUMBER, instead of max.connections.per.ip.",
    ),
    Option(
        name="queued.max.request.bytes",
        type=Type.LONG,
        default=QUEUED_REQUEST_BYTES,
        check=UnlimitedOr(1),
        doc="Bytes of received requests not yet answered past which no more are read; -1 sets no limit.",
    ),
    Option(
        name="odradek.queued.max.response.bytes",
        type=Type.LONG,
        default=256 << 20,
        check=Between(1 << 20),
        doc="Bytes of responses that clients have not taken past which none that may have a large answer is begun.",
    ),
)

REQUESTS = (
    Option(
        name="fetch.max.bytes",
        type=Type.INT,
        default=55 << 20,
        check=Between(1024),
        doc="Most bytes of records in the answer to a fetch.",
    ),
    Option(
        name="max.incremental.fetch.session.cache.slots",
        type=Type.INT,
        default=1000,
        check=NOT_NEGATIVE,
        doc="Incremental fetch sessions kept at a time.",
    ),
    Option(
        name="max.request.partition.size.limit",
        type=Type.INT,
        default=2000,
        check=POSITIVE,
        doc="Most partitions in one answer to DescribeTopicPartitions.",
    ),
)
