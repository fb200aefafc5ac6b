"""Which partition of `__consumer_offsets` a group lives in."""

from functools import lru_cache

GROUP_IDS_REMEMBERED = 8_192
_INT32 = 1 << 32


@lru_cache(maxsize=GROUP_IDS_REMEMBERED)
def java_hash(text: str) -> int:
    """`String.hashCode()`: over UTF-16 code units, as a signed 32-bit integer."""
    value = 0
    encoded = text.encode("utf-16-be", "surrogatepass")
    for position in range(0, len(encoded), 2):
        value = (31 * value + (encoded[position] << 8) + encoded[position + 1]) % _INT32
    return value - _INT32 if value >= _INT32 // 2 else value


def partition_for(group_id: str, partition_count: int) -> int:
    """As Kafka's coordinator and its tools compute it: the smallest integer counts as 0."""
    value = java_hash(group_id)
    return (0 if value == -(_INT32 // 2) else abs(value)) % partition_count
