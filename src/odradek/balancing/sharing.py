"""Giving each broker its share of replicas and bytes with few moves.

What is made smaller is one number, the sum over brokers of the squares of their replicas and of their bytes, each in
relation to the mean. Every move must make it smaller, and is only looked for where two brokers differ enough; so plans
come to an end, a balanced cluster has none, and no replica ever wanders back. A move never brings two copies into one
rack that were in two.
"""

from collections.abc import Iterator

from odradek.balancing.model import Move, PartitionState
from odradek.balancing.tally import Tally, replaced

COUNT_DIFFERENCE = 2
"""Brokers that differ by fewer replicas are left alone."""
BYTES_TOLERANCE = 0.2
"""Brokers whose bytes differ by less than this part of the mean are left alone."""
GAIN_MIN = 1e-9
Score = tuple[float, bool, int, int]


def share(tally: Tally) -> Iterator[Move]:
    """Moves from the fullest brokers to the emptiest ones, until nothing is worth moving."""
    barren = Barren()
    while (move := _next(tally, barren)) is not None:
        yield move


class Barren:
    """Pairs between which nothing can move, so that they are not looked through for each move again.

    Another move changes that only for pairs with one of its two brokers.
    """

    def __init__(self) -> None:
        self.pairs: set[tuple[int, int]] = set()
        """Source and target."""
        self.racks: set[tuple[int, str]] = set()
        """Source and rack: every partition of the source would have two copies there."""

    def moved(self, source: int, target: int) -> None:
        ends = (source, target)
        self.pairs = {pair for pair in self.pairs if pair[0] not in ends and pair[1] not in ends}
        self.racks = {pair for pair in self.racks if pair[0] not in ends}


def _next(tally: Tally, barren: Barren) -> Move | None:
    loads = {broker: tally.load(broker) for broker in tally.targets}
    by_load = sorted(tally.targets, key=lambda broker: (loads[broker], broker))
    for source in reversed(by_load):
        for target in by_load:
            if not _differ(tally, source, target) or _is_barren(tally, barren, source, target):
                continue
            best = _best(tally, barren, source, target)
            if best is not None:
                barren.moved(source, target)
                reason = _why(tally, source, target)
                return tally.change(best, replaced(tally.partitions[best].replicas, source, target), reason)
    return None


def _is_barren(tally: Tally, barren: Barren, source: int, target: int) -> bool:
    return (source, target) in barren.pairs or (source, tally.state.rack(target)) in barren.racks


def _differ(tally: Tally, source: int, target: int) -> bool:
    if tally.replicas[source] - tally.replicas[target] >= COUNT_DIFFERENCE:
        return True
    return tally.used(source) - tally.used(target) > BYTES_TOLERANCE * tally.mean_bytes


def _best(tally: Tally, barren: Barren, source: int, target: int) -> int | None:
    """The position of the partition that is best moved from one to the other."""
    best: int | None = None
    best_score: Score = (GAIN_MIN, False, 0, 0)
    source_rack, target_rack, has_any = tally.state.rack(source), tally.state.rack(target), False
    for position in tally.held[source]:
        partition = tally.partitions[position]
        if not tally.can_move(position) or not _stays_apart(tally, partition, source, source_rack, target_rack):
            continue
        has_any = True
        if target in partition.replicas or not tally.has_room(target, partition.size_bytes):
            continue
        gain = round(_gain(tally, source, target, partition.size_bytes), 12)
        if gain < best_score[0]:
            continue
        score = (gain, *_preference(tally, partition, source, target), -position)
        if best is None or score > best_score:
            best, best_score = position, score
    if not has_any:
        barren.racks.add((source, target_rack))
    if best is None:
        barren.pairs.add((source, target))
    return best


def _stays_apart(tally: Tally, partition: PartitionState, source: int, source_rack: str, target_rack: str) -> bool:
    """Whether its copies are in as many racks as before once one has gone from this rack to that."""
    if source_rack == target_rack:
        return True
    others = [tally.state.rack(replica) for replica in partition.replicas if replica != source]
    return target_rack not in others or source_rack in others


def _gain(tally: Tally, source: int, target: int, size_bytes: int) -> float:
    """By how much the number becomes smaller."""
    count_gain = 2 * (tally.replicas[source] - tally.replicas[target] - 1) / tally.mean_replicas**2
    from_bytes, to_bytes = tally.bytes[source], tally.bytes[target]
    less = (from_bytes**2 - (from_bytes - size_bytes) ** 2) / tally.capacity[source]
    more = ((to_bytes + size_bytes) ** 2 - to_bytes**2) / tally.capacity[target]
    return count_gain + (less - more) / tally.mean_bytes**2


def _preference(tally: Tally, partition: PartitionState, source: int, target: int) -> tuple[bool, int]:
    """Among equal ones: a leader where the source leads more, else a follower; then of a topic it has most of."""
    leads = partition.replicas[0] == source
    leads_more = tally.preferred[source] > tally.preferred[target] + 1
    return leads == leads_more, tally.topics[source, partition.topic] - tally.topics[target, partition.topic]


def _why(tally: Tally, source: int, target: int) -> str:
    more, fewer = tally.replicas[source], tally.replicas[target]
    if more - fewer >= COUNT_DIFFERENCE:
        return f"broker {source} has {more} replicas, broker {target} {fewer}"
    share = round(100 * tally.used(source) / tally.mean_bytes), round(100 * tally.used(target) / tally.mean_bytes)
    return f"broker {source} holds {share[0]}% of the mean in bytes, broker {target} {share[1]}%"
