"""TUMBLE and HOP: which windows of time a row belongs to. A window's value is its start."""

from typing import NamedTuple

from sqlglot import exp

from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.model import Window
from odradek.kappa.views.plan.sources import Sources

_UNITS_MS = {
    "MILLISECOND": 1,
    "SECOND": 1000,
    "MINUTE": 60_000,
    "HOUR": 3_600_000,
    "DAY": 86_400_000,
    "WEEK": 604_800_000,
}
_EPOCH = "TIMESTAMP '1970-01-01'"
WINDOWS_PER_ROW_MAX = 1000
HOPPED = "odradek_hop"
"""Numbers the windows that one row belongs to."""


class Call(NamedTuple):
    """One function of a window, with its resolved time column."""

    time: exp.Expr
    window: Window

    @property
    def is_hop(self) -> bool:
        """A row may be in several windows."""
        return self.window.size_ms != self.window.slide_ms


def is_window(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.upper() in ("TUMBLE", "HOP")


def is_window_end(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.upper() == "WINDOW_END"


def read_window(sources: Sources, node: exp.Expr) -> Call:
    """Raises ViewError."""
    text = node.sql(dialect="duckdb")
    kind, arguments = node.name.upper(), node.expressions
    wanted = "TUMBLE(time, size)" if kind == "TUMBLE" else "HOP(time, slide, size)"
    if len(arguments) != (2 if kind == "TUMBLE" else 3):
        raise ViewError(sources.view, f"{text}: must be {wanted}")
    time, event_time = arguments[0], sources.stream.relation.event_time
    if not (isinstance(time, exp.Column) and time.table == sources.stream.alias and time.name == event_time):
        raise ViewError(sources.view, f"{text}: must be of the event time, {sources.stream.alias}.{event_time}")
    sizes = [_milliseconds(sources.view, each) for each in arguments[1:]]
    window = Window(sizes[-1], sizes[0])
    if window.slide_ms > window.size_ms or window.size_ms > window.slide_ms * WINDOWS_PER_ROW_MAX:
        limit = f"the slide must be from 1/{WINDOWS_PER_ROW_MAX:,} of the size to all of it"
        raise ViewError(sources.view, f"{text}: {limit}")
    return Call(time, window)


def start_sql(call: Call) -> str:
    """Of the window, for each row and each of its windows (`hops_sql`)."""
    slide = _interval(call.window.slide_ms)
    start = f"time_bucket({slide}, {call.time.sql(dialect='duckdb')}, {_EPOCH})"
    return f"({start} - {HOPPED} * {slide})" if call.is_hop else start


def hops_sql(call: Call) -> tuple[str, str]:
    """What is joined to the rows so that each comes once for each window it may be in, and which of these it is in."""
    size_ms, slide_ms = call.window
    if not call.is_hop:
        return "", ""
    most = -(-size_ms // slide_ms)
    is_in = f"{call.time.sql(dialect='duckdb')} < {start_sql(call)} + {_interval(size_ms)}"
    return f", (SELECT unnest(range({most}))::INTEGER AS {HOPPED})", is_in


def end_sql(start: str, window: Window) -> str:
    return f"({start} + {_interval(window.size_ms)})"


def _interval(milliseconds: int) -> str:
    return f"INTERVAL '{milliseconds} milliseconds'"


def _milliseconds(view: str, node: exp.Expr) -> int:
    text = node.sql(dialect="duckdb")
    if isinstance(node, exp.Interval) and isinstance(node.this, exp.Literal):
        unit = str(node.args["unit"].name).upper().removesuffix("S") if node.args.get("unit") else ""
        number = node.this.name
        if unit in _UNITS_MS and number.isdigit() and int(number) > 0:
            return int(number) * _UNITS_MS[unit]
    raise ViewError(
        view, f"{text}: must be an interval above zero of milliseconds, seconds, minutes, hours, days or weeks"
    )
