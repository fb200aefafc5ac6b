"""Which partition a record goes to: as Kafka's default partitioner for keys, in turn for records without."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import unpack_from

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_CACHED_KEYS = 65_536
"""Keys repeat: their partitions are remembered, 64 Ki of them."""


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`), unsigned."""
    length = len(data)
    h = _SEED ^ length
    whole = length >> 2
    for k in unpack_from(f"<{whole}I", data):
        k = (k * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    if length & 3:
        h = ((h ^ int.from_bytes(data[whole << 2 :], "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partitioner(partitions: int) -> Callable[[bytes], int]:
    """The partition of a key among so many."""

    @lru_cache(maxsize=_CACHED_KEYS)
    def partition_of(key: bytes) -> int:
        return (murmur2(key) & 0x7FFFFFFF) % partitions

    return partition_of
