"""From the store's vocabulary to etcd's messages, and back."""

from collections.abc import Sequence
from typing import Any

from odradek.metastore.etcd.calls import RANGE, TXN, WATCH
from odradek.metastore.etcd.messages import CLASSES
from odradek.metastore.keyspace import prefix_end
from odradek.metastore.store import KV, Compare, Operation, Put, Revision, Target

ALL = b"\0"
"""As the end of a range: there is none. As its start: the smallest key, as etcd has no empty one."""

RELATIONS = {"equal": 0, "greater": 1, "less": 2}
TARGETS = {Target.VERSION: 0, Target.CREATE: 1, Target.MOD: 2, Target.VALUE: 3, Target.LEASE: 4}

_Compare, _RequestOp = CLASSES["Compare"], CLASSES["RequestOp"]
_Put, _DeleteRange = CLASSES["PutRequest"], CLASSES["DeleteRangeRequest"]


def txn_request(when: Sequence[Compare], then: Sequence[Operation], otherwise: Sequence[Operation]) -> Any:
    """Raises ValueError for a relation that does not exist."""
    return TXN.request(
        compare=[_compare(each) for each in when],
        success=[_operation(each) for each in then],
        failure=[_operation(each) for each in otherwise],
    )


def _compare(compare: Compare) -> Any:
    if compare.relation not in RELATIONS:
        raise ValueError(f"unknown relation {compare.relation!r}")
    target = compare.target
    operand = {target.value: compare.operand}
    return _Compare(result=RELATIONS[compare.relation], target=TARGETS[target], key=compare.key, **operand)


def _operation(operation: Operation) -> Any:
    if isinstance(operation, Put):
        return _RequestOp(request_put=_Put(key=operation.key, value=operation.value, lease=operation.lease))
    if operation.prefix:
        return _RequestOp(request_delete_range=_DeleteRange(**prefix_range(operation.key)))
    return _RequestOp(request_delete_range=_DeleteRange(key=operation.key))


def prefix_range(prefix: bytes) -> dict[str, bytes]:
    """The fields `key` and `range_end` of all keys that begin with the prefix."""
    return {"key": prefix or ALL, "range_end": prefix_end(prefix) or ALL}


def page_request(prefix: bytes, last_key: bytes | None, limit: int, revision: Revision) -> Any:
    """Keys under the prefix, after `last_key`, as they were at the revision; 0 for now."""
    fields = prefix_range(prefix)
    if last_key is not None:
        fields["key"] = last_key + b"\0"
    return RANGE.request(**fields, limit=limit, revision=revision)


def watch_request(start: Revision) -> Any:
    """Every key, from the revision on."""
    create = CLASSES["WatchCreateRequest"](**prefix_range(b""), start_revision=start, fragment=True)
    return WATCH.request(create_request=create)


def kv_of(kv: Any) -> KV:
    return KV(kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease)
