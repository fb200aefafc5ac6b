"""Which offsets are enough to answer what a statement demands."""

from odradek.kappa.client.topics import Range, Topics
from odradek.kappa.querying.statement import Bound


def needed(topics: Topics, topic: str, bounds: tuple[Bound, ...]) -> dict[int, Range]:
    """What the topic holds now, without offsets that cannot fulfil the bounds. Raises LogError."""
    ranges = topics.bounds(topic)
    for bound in bounds:
        match bound.column:
            case "_partition":
                ranges = {partition: each for partition, each in ranges.items() if holds(partition, bound)}
            case "_offset":
                ranges = {partition: cut(each, bound) for partition, each in ranges.items()}
            case "_timestamp" if bound.operator in (">", ">=", "="):
                ranges = _from_time(topics, topic, ranges, bound)
    return ranges


def older(bounds: dict[int, Range], demanded: tuple[Bound, ...]) -> dict[int, Range]:
    """What the log let go of and the statement may ask for: offsets before those that it holds now."""
    ranges = {partition: Range(0, each.start) for partition, each in bounds.items()}
    for bound in demanded:
        if bound.column == "_partition":
            ranges = {partition: each for partition, each in ranges.items() if holds(partition, bound)}
        elif bound.column == "_offset":
            ranges = {partition: cut(each, bound) for partition, each in ranges.items()}
    return ranges


def _from_time(topics: Topics, topic: str, ranges: dict[int, Range], bound: Bound) -> dict[int, Range]:
    """From the first record that is late enough: all before it are older, whatever order later ones have.

    For the same reason nothing can be said about where the last one is that is old enough.
    """
    firsts = topics.offsets_at(topic, ranges, bound.value + (bound.operator == ">"))
    cuts = {partition: each.end if firsts[partition] < 0 else firsts[partition] for partition, each in ranges.items()}
    return {partition: cut(each, Bound("_offset", ">=", cuts[partition])) for partition, each in ranges.items()}


def holds(value: int, bound: Bound) -> bool:
    """Whether the value fulfils it."""
    match bound.operator:
        case "=":
            return value == bound.value
        case ">":
            return value > bound.value
        case ">=":
            return value >= bound.value
        case "<":
            return value < bound.value
    return value <= bound.value


def cut(each: Range, bound: Bound) -> Range:
    """The offsets that fulfil it."""
    value, start, end = bound.value, each.start, each.end
    if bound.operator in ("=", ">", ">="):
        start = max(start, value + (bound.operator == ">"))
    if bound.operator in ("=", "<", "<="):
        end = min(end, value + (bound.operator != "<"))
    return Range(start, max(end, start))
