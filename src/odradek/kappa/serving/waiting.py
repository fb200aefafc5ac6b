"""Until a view reflects an offset: `topic:partition:offset`."""

from typing import NamedTuple

from odradek.kappa.serving.lookup import RequestError

TIMEOUT_S = 10.0
"""Unless the request says otherwise."""
TIMEOUT_S_MAX = 60.0


class Wanted(NamedTuple):
    """The record at the offset must be in the answer."""

    topic: str
    partition: int
    offset: int


def read_wanted(text: str) -> Wanted:
    """Raises RequestError."""
    topic, _, rest = text.partition(":")
    partition, _, offset = rest.partition(":")
    if not (topic and partition.isdigit() and offset.isdigit()):
        raise RequestError(f"wait={text}: must be TOPIC:PARTITION:OFFSET")
    return Wanted(topic, int(partition), int(offset))


def read_timeout(text: str | None) -> float:
    """Seconds. Raises RequestError."""
    if text is None:
        return TIMEOUT_S
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= TIMEOUT_S_MAX:
        raise RequestError(f"timeout={text}: must be seconds from 0 to {TIMEOUT_S_MAX:g}")
    return seconds


def is_reached(wanted: Wanted, offsets: dict[str, dict[str, int]]) -> bool:
    """`offsets`: by topic and partition the next one, as an answer says them."""
    return offsets.get(wanted.topic, {}).get(str(wanted.partition), 0) > wanted.offset
