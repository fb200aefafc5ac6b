"""The keys, their current values and a bounded history: plain synchronous Python, no I/O and no clock.

A `Stage` collects the effects of transactions on top of the keyspace without touching it, so that a whole group of
transactions can be decided, written to disk, and only then applied (`Keyspace.apply`) and seen by readers.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from odradek.metastore.store import (
    KV,
    Compacted,
    Compare,
    Delete,
    Event,
    LeaseId,
    LeaseLost,
    Operation,
    Put,
    Revision,
    RevisionBatch,
    StoreRegressed,
    Target,
    TxnResult,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One key of one revision: what it was before and what it is after (None: absent)."""

    key: bytes
    before: KV | None
    after: KV | None


@dataclass(frozen=True, slots=True)
class Commit:
    """All changes of one revision, in key order."""

    revision: Revision
    changes: tuple[Change, ...]

    def under(self, prefix: bytes) -> RevisionBatch | None:
        """What a watcher of `prefix` sees of it."""
        events = tuple(
            Event(change.key, None if change.after is None else change.after.value, self.revision)
            for change in self.changes
            if change.key.startswith(prefix)
        )
        return RevisionBatch(self.revision, events) if events else None


def prefix_end(prefix: bytes) -> bytes | None:
    """The smallest key greater than every key with the prefix; None when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


class Keyspace:
    """Invariants: `_order` is the sorted list of `_current`; `_history` has every revision in (compacted, revision]."""

    def __init__(self, items: Iterable[KV] = (), revision: Revision = 0, *, history_events_max: int) -> None:
        self._current = {item.key: item for item in items}
        self._order = sorted(self._current)
        self._history: deque[Commit] = deque()
        self._history_events = 0
        self._history_events_max = history_events_max
        self.revision = revision
        self.compacted = revision
        """Watches and scans start at this revision or later."""

    def get(self, key: bytes) -> KV | None:
        return self._current.get(key)

    def keys_under(self, prefix: bytes) -> list[bytes]:
        """Existing keys with the prefix, in order."""
        start, end = bisect_left(self._order, prefix), prefix_end(prefix)
        return self._order[start : len(self._order) if end is None else bisect_left(self._order, end)]

    def apply(self, commits: Sequence[Commit]) -> None:
        """Make staged commits current; the caller has made them durable."""
        for commit in commits:
            for change in commit.changes:
                self._replace(change)
            self.revision = commit.revision
            self._history.append(commit)
            self._history_events += len(commit.changes)
        if self._history_events > self._history_events_max:
            self._shrink_history(self._history_events_max // 2)

    def _replace(self, change: Change) -> None:
        if change.after is not None:
            if change.key not in self._current:
                insort(self._order, change.key)
            self._current[change.key] = change.after
        elif self._current.pop(change.key, None) is not None:
            del self._order[bisect_left(self._order, change.key)]

    def _shrink_history(self, events_max: int) -> None:
        while self._history and self._history_events > events_max:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        commit = self._history.popleft()
        self._history_events -= len(commit.changes)
        self.compacted = commit.revision

    def compact(self, before: Revision) -> None:
        """Forget how things were before the revision. Watches after `before - 1` or later still work."""
        target = min(before - 1, self.revision)
        while self._history and self._history[0].revision <= target:
            self._drop_oldest()
        self.compacted = max(self.compacted, target)

    def check_available(self, revision: Revision) -> None:
        """Raises Compacted when the state at the revision cannot be told any more, StoreRegressed when not yet."""
        if revision < self.compacted:
            raise Compacted(self.compacted)
        if revision > self.revision:
            raise StoreRegressed(f"revision {revision} was seen before, but the store is at {self.revision}")

    def next_commit(self, after: Revision) -> Commit | None:
        """The first commit after the revision. Raises Compacted."""
        self.check_available(after)
        if after >= self.revision:
            return None
        return self._history[after + 1 - self._history[0].revision]

    def items_at(self, prefix: bytes, at: Revision) -> list[KV]:
        """Keys under the prefix as they were at the revision, in order. Raises Compacted."""
        self.check_available(at)
        current = self._current
        items: dict[bytes, KV | None] = {key: current[key] for key in self.keys_under(prefix)}
        for commit in reversed(self._history):
            if commit.revision <= at:
                break
            items.update((change.key, change.before) for change in commit.changes if change.key.startswith(prefix))
        found = [item for item in items.values() if item is not None]
        found.sort(key=lambda item: item.key)
        return found

    def all_items(self) -> Iterator[KV]:
        """Every key, in order."""
        return (self._current[key] for key in self._order)


class Stage:
    """Transactions decided but not yet applied. Reading through it sees their effects in order."""

    def __init__(self, base: Keyspace) -> None:
        self._base = base
        self._overlay: dict[bytes, KV | None] = {}
        self.revision = base.revision
        self.commits: list[Commit] = []

    def get(self, key: bytes) -> KV | None:
        return self._overlay[key] if key in self._overlay else self._base.get(key)

    def final_changes(self) -> dict[bytes, KV | None]:
        """What each touched key is in the end: all that needs to be stored."""
        return self._overlay

    def keys_of_lease(self, lease: LeaseId, attached: Iterable[bytes]) -> list[bytes]:
        """Those of `attached`, and of the staged keys, that hang on the lease."""
        candidates = dict.fromkeys(attached) | dict.fromkeys(self._overlay)
        return [key for key in candidates if (item := self.get(key)) is not None and item.lease == lease]

    def holds(self, compare: Compare) -> bool:
        item = self.get(compare.key)
        if compare.target is Target.VALUE:
            return item is not None and _relate(item.value, compare.relation, compare.operand)
        return _relate(_numeric(item, compare.target), compare.relation, compare.operand)

    def transact(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation],
        has_lease: Callable[[LeaseId], bool],
    ) -> TxnResult:
        """Decide one transaction and stage its writes. Raises LeaseLost, and then nothing is staged."""
        succeeded = all(self.holds(compare) for compare in when)
        operations = then if succeeded else otherwise
        for operation in operations:
            lease = operation.lease if isinstance(operation, Put) else 0
            if lease and not has_lease(lease):
                raise LeaseLost(f"lease {lease} is gone")
        self.run(operations)
        return TxnResult(succeeded, self.revision)

    def run(self, operations: Sequence[Operation]) -> None:
        """Stage one transaction's writes as the next revision; none when they change nothing."""
        revision = self.revision + 1
        changes: dict[bytes, Change] = {}
        for operation in operations:
            for change in self._effects(operation, revision):
                first = changes.get(change.key)
                changes[change.key] = change if first is None else Change(change.key, first.before, change.after)
        if not changes:
            return
        self.revision = revision
        self.commits.append(Commit(revision, tuple(sorted(changes.values(), key=lambda change: change.key))))

    def _effects(self, operation: Operation, revision: Revision) -> list[Change]:
        if isinstance(operation, Put):
            return [self._put(operation, revision)]
        return [self._delete(key) for key in self._keys_to_delete(operation)]

    def _put(self, put: Put, revision: Revision) -> Change:
        before = self.get(put.key)
        created, version = (revision, 1) if before is None else (before.create_revision, before.version + 1)
        after = KV(put.key, put.value, created, revision, version, put.lease)
        self._overlay[put.key] = after
        return Change(put.key, before, after)

    def _keys_to_delete(self, delete: Delete) -> list[bytes]:
        if not delete.prefix:
            return [delete.key] if self.get(delete.key) is not None else []
        stored = [key for key in self._base.keys_under(delete.key) if self.get(key) is not None]
        staged = (key for key, item in self._overlay.items() if item is not None and key.startswith(delete.key))
        return stored + [key for key in staged if self._base.get(key) is None]

    def _delete(self, key: bytes) -> Change:
        before = self.get(key)
        self._overlay[key] = None
        return Change(key, before, None)


def _numeric(item: KV | None, target: Target) -> int:
    if item is None:
        return 0
    value = getattr(item, target.value)
    assert isinstance(value, int)
    return value


def _relate(value: int | bytes, relation: str, operand: int | bytes) -> bool:
    if relation == "equal":
        return value == operand
    if relation == "less":
        return value < operand  # type: ignore[operator]
    if relation == "greater":
        return value > operand  # type: ignore[operator]
    raise ValueError(f"unknown relation {relation!r}")
