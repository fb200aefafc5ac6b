"""What a failed call means to whoever asked: applied for certain, not applied for certain, or unknown.

"Not applied" is said only where etcd refuses before it proposes anything to its members, or where gRPC never had a
connection to send on; of everything else, timeouts above all, the outcome is unknown. Plain synchronous Python; codes
and texts are those of gRPC and of etcd's `rpctypes`.
"""

from odradek.metastore.store import (
    LeaseLost,
    LimitExceeded,
    NotApplied,
    OutcomeUnknown,
    StoreError,
    StoreFailed,
    StoreFull,
    StoreRegressed,
)


class StoreRefuses(NotApplied):
    """etcd does not do this for us (user, permission, version): asking again, or another member, does not help."""


COMPACTED = "etcdserver: mvcc: required revision has been compacted"
LEASE_NOT_FOUND = "etcdserver: requested lease not found"
TOKEN_REFUSED = ("etcdserver: invalid auth token", "etcdserver: revision of auth store is old")
"""The token has expired, or users were changed since it was given."""
AUTHENTICATION_IS_OFF = "etcdserver: authentication is not enabled"

MEANINGS: dict[str, type[StoreError]] = {
    LEASE_NOT_FOUND: LeaseLost,
    "etcdserver: mvcc: database space exceeded": StoreFull,
    "etcdserver: request is too large": LimitExceeded,
    "etcdserver: too many operations in txn request": LimitExceeded,
    "etcdserver: mvcc: required revision is a future revision": StoreRegressed,
    "etcdserver: corrupt cluster": StoreFailed,
    "etcdserver: no leader": NotApplied,
    "etcdserver: not capable": NotApplied,
    "etcdserver: too many requests": NotApplied,
    "etcdserver: rpc not supported for learner": NotApplied,
    "raft proposal dropped": NotApplied,
    **dict.fromkeys(TOKEN_REFUSED, NotApplied),
}
"""etcd's texts that say exactly what has happened."""

NOT_SENT = "NOT_SENT"
"""Our own code, beside gRPC's: there was no way to send the request."""
NO_CONNECTION = ("failed to connect to all addresses", "DNS resolution failed", "Name resolution failure")
"""How gRPC's texts begin when it had no connection to send on."""

REFUSALS = {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED"}
"""Codes with which etcd refuses a request as such."""


def meaning(code: str, details: str, message: str) -> StoreError:
    """What to raise for a transaction that failed with gRPC's `code` and `details`; `message` is for people."""
    exact = MEANINGS.get(details)
    if exact is not None:
        return exact(message)
    if code == NOT_SENT or details.startswith(NO_CONNECTION):
        return NotApplied(message)
    if code == "RESOURCE_EXHAUSTED" and "message larger than max" in details:
        return LimitExceeded(message)
    if code in REFUSALS:
        return StoreRefuses(message)
    return OutcomeUnknown(message)


def meaning_of_read(code: str, details: str, message: str) -> StoreError:
    """The same for what changes nothing, or may be done twice: there is nothing to be unsure of."""
    error = meaning(code, details, message)
    return NotApplied(message) if isinstance(error, OutcomeUnknown) else error


def is_token_refused(details: str) -> bool:
    """Also within the text with which a watch is refused, which has the code in front."""
    return details.endswith(TOKEN_REFUSED)
