"""Copies that share a rack although another rack could have one."""

from collections import Counter
from collections.abc import Iterator

from odradek.balancing.model import Move
from odradek.balancing.tally import Tally, replaced


def spread(tally: Tally) -> Iterator[Move]:
    """Each move puts a copy into one more rack."""
    state = tally.state
    racks = {state.rack(broker) for broker in tally.targets}
    for position, partition in enumerate(tally.partitions):
        possible = min(len(racks), len(partition.replicas))
        if state.racks(partition.replicas) >= possible or not tally.can_move(position):
            continue
        after = partition.replicas
        while state.racks(after) < possible and (better := _one_more_rack(tally, partition.size_bytes, after)):
            after = better
        if after != partition.replicas:
            shared = next(iter(_shared_racks(tally, partition.replicas)))
            yield tally.change(position, after, f"two copies are in rack {shared}")


def _shared_racks(tally: Tally, replicas: tuple[int, ...]) -> list[str]:
    times = Counter(tally.state.rack(replica) for replica in replicas)
    return [rack for rack, count in times.items() if count > 1]


def _one_more_rack(tally: Tally, size_bytes: int, replicas: tuple[int, ...]) -> tuple[int, ...] | None:
    """Of a shared rack, the copy that is last in the list goes to the least loaded broker of a rack without one."""
    state = tally.state
    used, shared = {state.rack(replica) for replica in replicas}, _shared_racks(tally, replicas)
    choices = [each for each in tally.targets if state.rack(each) not in used and tally.has_room(each, size_bytes)]
    sources = [replica for replica in replicas if state.rack(replica) in shared]
    if not choices or not sources:
        return None
    return replaced(replicas, sources[-1], min(choices, key=lambda each: (tally.load(each), each)))
