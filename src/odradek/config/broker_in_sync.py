"""Options of the broker: which replicas are in sync, and which of them consumers read from."""

from odradek.config.checks import POSITIVE, OneOf
from odradek.config.option import Option
from odradek.config.values import Type

RACK_AWARE_SELECTOR = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

IN_SYNC = (
    Option(
        name="replica.lag.time.max.ms",
        type=Type.LONG,
        default=30_000,
        check=POSITIVE,
        doc="Time a replica may be without all of its leader's log before it is no longer in sync.",
    ),
    Option(
        name="replica.selector.class",
        type=Type.STRING,
        default=None,
        check=OneOf((RACK_AWARE_SELECTOR,)),
        doc="Set, consumers that say their rack read from a replica there; else from the leader.",
    ),
)
