"""The interface every metadata store has, and its vocabulary (modelled on etcd v3's KV, Watch and Lease).

Revisions: every transaction that writes gets one, strictly greater than any before, also over restarts; a transaction
whose comparisons fail changes nothing and consumes none. All keys a transaction writes share its revision.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec

Revision = int
LeaseId = int


class KV(msgspec.Struct, frozen=True, gc=False):
    """A stored key. `version` counts writes since creation (1 = just created)."""

    key: bytes
    value: bytes
    create_revision: Revision
    mod_revision: Revision
    version: int
    lease: LeaseId = 0


class Target(Enum):
    """What a comparison looks at. An absent key has 0 for all but VALUE, which never equals anything."""

    CREATE = "create_revision"
    MOD = "mod_revision"
    VERSION = "version"
    VALUE = "value"
    LEASE = "lease"


@dataclass(frozen=True, slots=True)
class Compare:
    """Holds when `target` of `key` equals `operand` (`less`/`greater` for the numeric targets)."""

    key: bytes
    target: Target
    operand: int | bytes
    relation: str = "equal"


@dataclass(frozen=True, slots=True)
class Put:
    key: bytes
    value: bytes
    lease: LeaseId = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes one key, or with `prefix` every key that starts with it."""

    key: bytes
    prefix: bool = False


Operation = Put | Delete


@dataclass(frozen=True, slots=True)
class TxnResult:
    """`revision`: the transaction's own when it wrote, else the store's current one."""

    succeeded: bool
    revision: Revision


@dataclass(frozen=True, slots=True)
class Event:
    """One key's change; a deletion has value None."""

    key: bytes
    value: bytes | None
    revision: Revision


@dataclass(frozen=True, slots=True)
class RevisionBatch:
    """All changes of one revision under the watched prefix, in key order. Never split, never repeated."""

    revision: Revision
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """The watcher has seen everything up to and including `revision`."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a scan; every page of one scan is read at the same `revision`."""

    items: tuple[KV, ...]
    revision: Revision


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """`uuid` names the store for life; `generation` counts its openings, for etcd its elections; limits are per
    transaction.

    `restored` is the revision at which the store was last accepted as an older backup, 0 for never; it then lacked at
    most `lost` revisions that had been given before. `seen` is the highest revision that whoever opens it has seen
    earlier: where that is above `revision` the store went back, and it is for the caller to say what that means.
    """

    uuid: str
    generation: int
    revision: Revision
    max_operations: int
    max_bytes: int
    restored: Revision = 0
    lost: int = 0
    seen: Revision = 0


@dataclass(frozen=True, slots=True)
class Lease:
    id: LeaseId
    ttl: float


@dataclass(frozen=True, slots=True)
class KeepaliveAck:
    id: LeaseId
    ttl: float


class StoreError(Exception):
    """Base of what a store raises."""


class NotApplied(StoreError):
    """The transaction was certainly not applied (no leader, refused, timed out before sending)."""


class StoreFull(NotApplied):
    """Refused for want of space: repeating it helps only once somebody has made room."""


class StoreFailed(StoreError):
    """Its disk has failed: the store takes and says nothing more until it is opened anew."""


class OutcomeUnknown(StoreError):
    """The reply was lost: settle it by repeating the identical compare-and-swap, which carries its `op_id`."""


class Compacted(StoreError):
    """A watch or scan asked for a revision older than `revision`, the oldest still kept."""

    def __init__(self, revision: Revision) -> None:
        super().__init__(f"revision compacted; the oldest available is {revision}")
        self.revision = revision


class LeaseLost(StoreError):
    """The lease has expired or was revoked."""


class StoreRegressed(StoreError):
    """The store's revision went backwards: it was restored from a backup."""


class LimitExceeded(StoreError):
    """A transaction has more than `max_operations` or `max_bytes`."""


class MetadataStore(Protocol):
    async def open(self) -> StoreInfo: ...

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        """Linearizable read."""
        ...

    def scan(self, prefix: bytes, *, at: Revision = 0) -> AsyncIterator[Page]:
        """Keys under `prefix` in order, consistent at one revision (0 = now). Raises Compacted."""
        ...

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        """Atomic. Raises NotApplied, OutcomeUnknown, LimitExceeded."""
        ...

    def watch(self, prefix: bytes, *, after: Revision) -> AsyncIterator[RevisionBatch | Progress]:
        """Every change after the revision, in order, gapless over reconnects. Raises Compacted, never hangs."""
        ...

    async def grant(self, ttl: float) -> Lease: ...

    def keepalive(self, lease: LeaseId) -> AsyncIterator[KeepaliveAck]:
        """Keeps the lease alive while it is iterated. Raises LeaseLost."""
        ...

    async def revoke(self, lease: LeaseId) -> None: ...

    async def compact(self, before: Revision) -> None: ...

    async def close(self) -> None: ...
