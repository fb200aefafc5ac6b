"""Producer ids, never given twice in the life of a cluster: blocks of 1,000 by compare-and-swap."""

import asyncio

from odradek.cluster.keys import Keys
from odradek.cluster.records import ProducerIdBlockRecord, decode
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import Put

BLOCK_SIZE = 1_000


class ProducerIds:
    """The rest of a block is given up when the broker stops."""

    def __init__(self, keys: Keys, writer: Writer) -> None:
        self._key, self._writer = keys.producer_id_block, writer
        self._next = self._end = 0
        self._claiming = asyncio.Lock()

    async def allocate(self) -> int:
        """Raises MetadataUnavailable."""
        if self._next >= self._end:
            async with self._claiming:
                while self._next >= self._end:
                    await self._claim_block()
        self._next += 1
        return self._next - 1

    async def _claim_block(self) -> None:
        found, _ = await self._writer.get(self._key)
        first = 0 if found is None else decode(ProducerIdBlockRecord, found.value).next_id
        record = ProducerIdBlockRecord(first + BLOCK_SIZE, self._writer.new_op_id())
        when = [unchanged(self._key, 0 if found is None else found.mod_revision)]
        if await self._writer.commit(when, [Put(self._key, record.encode())]) is not None:
            self._next, self._end = first, first + BLOCK_SIZE
