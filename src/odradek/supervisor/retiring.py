"""Whether the cluster still wants a broker: read from the store, by whoever would start its process again."""

from odradek.cluster.image import DRAINING_BROKERS, draining_ids
from odradek.cluster.keys import Keys
from odradek.cluster.records import ConfigRecord, PartitionRecord, decode
from odradek.metastore.store import MetadataStore


async def is_retired(store: MetadataStore, keys: Keys, node_id: int) -> bool:
    """It is no longer registered, or it is drained and has no replica. Raises StoreError."""
    found, _ = await store.get(keys.config("broker", ""))
    registered, _ = await store.get(keys.broker(node_id))  # Second: whoever is removed is drained no more.
    if registered is None:
        return True
    text = "" if found is None else decode(ConfigRecord, found.value).values.get(DRAINING_BROKERS, "")
    return node_id in draining_ids(text) and not await _has_replicas(store, keys, node_id)


async def _has_replicas(store: MetadataStore, keys: Keys, node_id: int) -> bool:
    async for page in store.scan(keys.all_partitions):
        if any(node_id in decode(PartitionRecord, item.value).replicas for item in page.items):
            return True
    return False
