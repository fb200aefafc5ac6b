"""Options of the broker: which replicas are in sync."""

from odradek.config.checks import POSITIVE
from odradek.config.option import Option
from odradek.config.values import Type

IN_SYNC = (
    Option(
        name="replica.lag.time.max.ms",
        type=Type.LONG,
        default=30_000,
        check=POSITIVE,
        doc="Time a replica may be without all of its leader's log before it is no longer in sync.",
    ),
)
