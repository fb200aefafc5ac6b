"""Which leases exist, when each ends, and which keys hang on them: plain synchronous Python, time is an argument."""

from collections.abc import Iterable, Sequence

from odradek.metastore.keyspace import Commit
from odradek.metastore.store import KV, Lease, LeaseId, LeaseLost


class Leases:
    """Times are seconds of one clock that never jumps and goes on while the machine sleeps (CLOCK_BOOTTIME)."""

    def __init__(self) -> None:
        self._ttl: dict[LeaseId, float] = {}
        self._deadline: dict[LeaseId, float] = {}
        self._keys: dict[LeaseId, dict[bytes, None]] = {}

    def restore(self, leases: Iterable[Lease], items: Iterable[KV], now: float) -> None:
        """After a restart every known lease has one full TTL, whatever was left of it before."""
        for lease in leases:
            self.add(lease, now)
        for item in items:
            if item.lease in self._keys:
                self._keys[item.lease][item.key] = None

    def add(self, lease: Lease, now: float) -> None:
        self._ttl[lease.id] = lease.ttl
        self._deadline[lease.id] = now + lease.ttl
        self._keys[lease.id] = {}

    def remove(self, lease: LeaseId) -> None:
        for table in (self._ttl, self._deadline, self._keys):
            table.pop(lease, None)

    def exists(self, lease: LeaseId) -> bool:
        return lease in self._ttl

    def keys(self, lease: LeaseId) -> list[bytes]:
        return list(self._keys.get(lease, ()))

    def renew(self, lease: LeaseId, now: float) -> float:
        """The TTL, counted from now. Raises LeaseLost also when the deadline has passed but nobody noticed yet."""
        deadline = self._deadline.get(lease)
        if deadline is None or deadline <= now:
            raise LeaseLost(f"lease {lease} is gone")
        self._deadline[lease] = now + self._ttl[lease]
        return self._ttl[lease]

    def take_expired(self, now: float) -> list[LeaseId]:
        """Leases whose deadline has come, each told once: from now on they cannot be renewed, only removed."""
        expired = [lease for lease, deadline in self._deadline.items() if deadline <= now]
        for lease in expired:
            del self._deadline[lease]
        return expired

    def expire_all(self, now: float) -> None:
        """Every deadline is now (what etcd does to leases when it was paused for long)."""
        self._deadline = dict.fromkeys(self._deadline, now)

    def next_deadline(self) -> float | None:
        return min(self._deadline.values(), default=None)

    def follow(self, commits: Sequence[Commit]) -> None:
        """Keep the lists of attached keys in step with what was committed."""
        for commit in commits:
            for change in commit.changes:
                if change.before is not None and change.before.lease in self._keys:
                    self._keys[change.before.lease].pop(change.key, None)
                if change.after is not None and change.after.lease in self._keys:
                    self._keys[change.after.lease][change.key] = None
