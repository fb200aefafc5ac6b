"""Between the store's vocabulary and that of the messages, errors included."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from odradek.metastore.shared.messages import Changed, Comparison, DeleteKey, Item, PutKey, Refused
from odradek.metastore.store import (
    KV,
    Compacted,
    Compare,
    Delete,
    Event,
    LeaseLost,
    LimitExceeded,
    NotApplied,
    Operation,
    OutcomeUnknown,
    Put,
    RevisionBatch,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreRegressed,
    Target,
)

item_of = attrgetter("key", "value", "create_revision", "mod_revision", "version", "lease")


def comparisons_of(when: Iterable[Compare]) -> tuple[Comparison, ...]:
    return tuple((each.key, each.target.value, each.operand, each.relation) for each in when)


def compares_of(comparisons: Iterable[Comparison]) -> list[Compare]:
    """Raises ValueError for a target that is none."""
    return [Compare(key, Target(target), operand, relation) for key, target, operand, relation in comparisons]


def writes_of(operations: Iterable[Operation]) -> tuple[PutKey | DeleteKey, ...]:
    return tuple(
        PutKey(each.key, each.value, each.lease) if isinstance(each, Put) else DeleteKey(each.key, each.prefix)
        for each in operations
    )


def operations_of(writes: Iterable[PutKey | DeleteKey]) -> list[Operation]:
    return [
        Put(each.key, each.value, each.lease) if isinstance(each, PutKey) else Delete(each.key, each.prefix)
        for each in writes
    ]


def batch_of(changed: Changed) -> RevisionBatch:
    revision = changed.revision
    return RevisionBatch(revision, tuple(Event(key, value, revision) for key, value in changed.changes))


def items_of(page: Sequence[Item]) -> tuple[KV, ...]:
    return tuple(KV(*item) for item in page)


ERRORS: dict[str, type[Exception]] = {
    each.__name__: each
    for each in (NotApplied, StoreFull, StoreFailed, OutcomeUnknown, LeaseLost, StoreRegressed, LimitExceeded,
                 StoreError, ValueError, TypeError)
}  # fmt: skip


def refused_by(error: Exception) -> Refused:
    """The reply that raises the same at the client; what no store raises leaves the outcome unknown."""
    if isinstance(error, Compacted):
        return Refused("Compacted", str(error), error.revision)
    known = (kind.__name__ for kind in type(error).__mro__ if ERRORS.get(kind.__name__) is kind)
    return Refused(next(known, "OutcomeUnknown"), str(error) or type(error).__name__)


def error_of(refused: Refused) -> Exception:
    if refused.error == "Compacted":
        return Compacted(refused.revision)
    return ERRORS.get(refused.error, OutcomeUnknown)(refused.text)
