"""After the metadata store was put back from an older backup: counters rise above everything given before.

A leader epoch, the controller's epoch and the next producer id each move by at most one step in a revision, so raising
them by as many steps as revisions were lost is enough, whatever happened in those. Without it a log would hold records
of a leader epoch above its leader's, and a producer could be taken for another one that had its id.
"""

import logging
from collections.abc import Sequence

import msgspec

from odradek.cluster.chunks import for_each_chunk
from odradek.cluster.keys import Keys
from odradek.cluster.producer_ids import BLOCK_SIZE
from odradek.cluster.records import CounterRecord, MetaRecord, PartitionRecord, ProducerIdBlockRecord, Record, decode
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import KV, MetadataStore, Put, Revision, StoreInfo

logger = logging.getLogger(__name__)


async def raise_counters(store: MetadataStore, keys: Keys, writer: Writer, info: StoreInfo) -> None:
    """Once for each restoring, again from the start when the process died half-way: steps too many do no harm.

    Raises MetadataUnavailable.
    """
    if not info.restored:
        return
    meta, _ = await writer.get(keys.meta)
    if meta is None or (record := decode(MetaRecord, meta.value)).restored >= info.restored:
        return
    logger.warning("The metadata was put back from an older backup: leader epochs and producer ids skip what it lost")
    counters = [item async for page in store.scan(keys.prefix) for item in page.items if _is_counter(keys, item)]

    async def commit(chunk: Sequence[KV]) -> Revision | None:
        when = [unchanged(item.key, item.mod_revision) for item in chunk]
        return await writer.commit(when, [Put(item.key, _raised(keys, item, info.lost, writer)) for item in chunk])

    await for_each_chunk(counters, writer.max_operations, commit)
    done = msgspec.structs.replace(record, restored=info.restored, op_id=writer.new_op_id())
    await writer.commit([unchanged(keys.meta, meta.mod_revision)], [Put(keys.meta, done.encode())])


def _is_counter(keys: Keys, item: KV) -> bool:
    return item.key in (keys.producer_id_block, keys.controller_epoch) or keys.split(item.key)[0] == "part"


def _raised(keys: Keys, item: KV, steps: int, writer: Writer) -> bytes:
    record: Record
    if item.key == keys.producer_id_block:
        block = decode(ProducerIdBlockRecord, item.value)
        record = ProducerIdBlockRecord(block.next_id + steps * BLOCK_SIZE, writer.new_op_id())
    elif item.key == keys.controller_epoch:
        record = CounterRecord(decode(CounterRecord, item.value).value + steps, writer.new_op_id())
    else:
        part = decode(PartitionRecord, item.value)
        raised = part.leader_epoch + steps
        record = msgspec.structs.replace(part, leader_epoch=raised, op_id=writer.new_op_id())
    return record.encode()
