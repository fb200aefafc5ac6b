"""Writers that count up one key by compare-and-swap: a lost or repeated transaction shows in the history of the key."""

import asyncio
import random
from collections.abc import Sequence

from odradek.cluster.results import MetadataUnavailable
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import MetadataStore, Put, Revision, RevisionBatch

KEY = b"counter"
Acknowledged = dict[Revision, bytes]


async def count_up(store: MetadataStore, source: random.Random, enough: asyncio.Event) -> Acknowledged:
    """Until it is enough. What this writer was told it has written, by revision."""
    writer, acknowledged = Writer(store, source), Acknowledged()
    while not enough.is_set():
        try:
            found, _ = await writer.get(KEY)
            count, mod_revision = (0, 0) if found is None else (int(found.value.split()[0]), found.mod_revision)
            value = f"{count + 1} {writer.new_op_id()}".encode()
            revision = await writer.commit([unchanged(KEY, mod_revision)], [Put(KEY, value)])
            if revision is not None:
                acknowledged[revision] = value
        except MetadataUnavailable:
            continue
    return acknowledged


def check_counts(history: Sequence[RevisionBatch], acknowledged: Sequence[Acknowledged]) -> None:
    """Each number once and in order, and whatever was acknowledged among them (a writer whose reply was lost may find
    its number overwritten, and then does not claim it)."""
    values = {batch.revision: batch.events[0].value for batch in history}
    numbers = [int(value.split()[0]) for value in values.values() if value is not None]
    assert numbers == list(range(1, len(history) + 1))
    for each in acknowledged:
        assert each
        assert each.items() <= values.items()
