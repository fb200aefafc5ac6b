"""Which partition a record goes to: as Kafka's default partitioner has it, so that other producers agree."""

from functools import lru_cache

_SEED, _M = 0x9747B28C, 0x5BD1E995
_WORD = 0xFFFFFFFF
KEYS_KEPT = 65_536


def partition_of(key: bytes | None, sequence: int, partitions: int) -> int:
    """Records without a key take turns."""
    return sequence % partitions if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions


@lru_cache(KEYS_KEPT)
def murmur2(data: bytes) -> int:
    """The 32 bit hash of Kafka's clients."""
    length = len(data)
    h = _SEED ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _WORD
        k = (k ^ k >> 24) * _M & _WORD
        h = h * _M & _WORD ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15
