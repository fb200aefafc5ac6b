"""Bounds of a store and the check of a transaction against them, alike for every implementation."""

from collections.abc import Sequence
from dataclasses import dataclass

from odradek.metastore.store import Compare, Delete, LimitExceeded, Operation, Put


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a store. A transaction's operations are counted as etcd counts them: per list, not in sum."""

    max_operations: int = 128
    max_bytes: int = 1500 * 1024
    """Of keys and values. etcd takes 1.5 MiB with everything that is around them (128 operations a list: 12 KiB)."""
    pending_requests_max: int = 10_000
    group_requests_max: int = 1_000
    history_events_max: int = 4_000
    """Some 2 MB. A watch that falls further behind begins again with a snapshot."""
    page_items: int = 1_000
    keepalives_per_ttl: float = 4.5


def check_limits(
    when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation], limits: Limits
) -> None:
    """Raises LimitExceeded; ValueError when a transaction names a key twice, which has no meaning."""
    most = max(len(when), len(then), len(otherwise))
    if most > limits.max_operations:
        raise LimitExceeded(f"{most} operations in a transaction, at most {limits.max_operations} are allowed")
    size = sum(len(compare.key) + _operand_size(compare) for compare in when)
    size += sum(len(op.key) + (len(op.value) if isinstance(op, Put) else 0) for op in (*then, *otherwise))
    if size > limits.max_bytes:
        raise LimitExceeded(f"{size} bytes in a transaction, at most {limits.max_bytes} are allowed")
    for operations in (then, otherwise):
        _check_distinct(operations)


def _operand_size(compare: Compare) -> int:
    return len(compare.operand) if isinstance(compare.operand, bytes) else 8


def _check_distinct(operations: Sequence[Operation]) -> None:
    keys = [operation.key for operation in operations]
    prefixes = [op.key for op in operations if isinstance(op, Delete) and op.prefix]
    covered = [key for prefix in prefixes for key in keys if key.startswith(prefix) and key != prefix]
    if covered or len(set(keys)) != len(keys):
        raise ValueError(f"a transaction names a key more than once: {covered or keys}")
