"""Copies that are missing: what should have more replicas gets them as soon as there are brokers for them."""

from collections.abc import Iterator

from odradek.balancing.evacuation import refuge
from odradek.balancing.model import Move
from odradek.balancing.tally import Tally


def add_copies(tally: Tally) -> Iterator[Move]:
    """A move for each partition that has too few; it keeps those it has."""
    for position, partition in enumerate(tally.partitions):
        if len(partition.replicas) >= partition.copies or not tally.can_move(position):
            continue
        after = partition.replicas
        while len(after) < partition.copies and (target := refuge(tally, partition, after)) is not None:
            after = (*after, target)
        if after != partition.replicas:
            yield tally.change(position, after, f"it is to have {partition.copies} copies")
