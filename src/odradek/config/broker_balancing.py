"""Options of the broker: who leads, where replicas are, and how fast they move."""

from odradek.config.checks import POSITIVE, Between, BrokerIds
from odradek.config.option import Option
from odradek.config.values import Type

BALANCING = (
    Option(
        name="auto.leader.rebalance.enable",
        type=Type.BOOLEAN,
        default=True,
        doc="Whether preferred leaders get their leaderships back, and have equal numbers of them, by themselves.",
    ),
    Option(
        name="leader.imbalance.check.interval.seconds",
        type=Type.LONG,
        default=300,
        check=Between(1, 1_000_000_000),
        doc="Time between two looks at how leaders, replicas and bytes are spread, where nothing gives reason for one.",
    ),
    Option(
        name="leader.imbalance.per.broker.percentage",
        type=Type.INT,
        default=10,
        check=Between(0, 100),
        doc="Part of its leaderships that a broker may lack before it gets them back.",
    ),
    Option(
        name="odradek.draining.brokers",
        type=Type.LIST,
        default=(),
        check=BrokerIds(),
        dynamic=True,
        cluster_wide=True,
        doc="Brokers that give up leaderships, then replicas; of the whole cluster, set by `odradek cluster drain`.",
    ),
    Option(
        name="odradek.balancing.paused",
        type=Type.BOOLEAN,
        default=False,
        dynamic=True,
        doc="Whether no replica begins to move by itself, not even from a broker that is drained.",
    ),
    Option(
        name="odradek.balancing.moves.per.broker",
        type=Type.INT,
        default=2,
        check=POSITIVE,
        dynamic=True,
        doc="Replicas that move into one broker, or are copied from one, at the same time at most.",
    ),
)
