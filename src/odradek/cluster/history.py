"""Tokens that name the history of the metadata store, so that one put back from a backup is known by it.

Each registration of a broker and each taking of the controller's seat adds a token in its own transaction; the token's
part of the history begins with that transaction's revision. A broker keeps beside its data the newest token it has
seen, a revision at which that was the newest (`Remembered`), and the highest revision it has seen at all. A store that
went back lacks the token, or has its next one at or before the remembered revision, however far it was written since.
Whoever recovered the cluster from what the brokers have (`odradek cluster recover`) says so in a token too.

The rules in here are plain functions over what the store holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from odradek.cluster.keys import Keys
from odradek.cluster.records import HistoryRecord, decode
from odradek.log.remembered import Remembered
from odradek.metastore.store import KV, MetadataStore, Revision

TOKENS_MAX = 1_000
"""Kept in the store. A broker that was away for longer than they go back cannot tell, and is refused."""
WAY_OUT = "put a newer backup back, or see `odradek cluster recover --help`"


class HistoryEntry(NamedTuple):
    """`since`: the revision that added it."""

    token: str
    since: Revision
    record: HistoryRecord


Chain = Sequence[HistoryEntry]
"""In the order of their revisions."""


def chain_of(keys: Keys, items: Iterable[KV]) -> list[HistoryEntry]:
    """From what the store holds under `keys.all_history`."""
    entries = [
        HistoryEntry(keys.split(item.key)[1], item.mod_revision, decode(HistoryRecord, item.value)) for item in items
    ]
    return sorted(entries, key=lambda entry: entry.since)


async def read_chain(store: MetadataStore, keys: Keys) -> list[HistoryEntry]:
    """Raises NotApplied, Compacted."""
    return chain_of(keys, [item async for page in store.scan(keys.all_history) for item in page.items])


def recovery_of(chain: Chain) -> HistoryEntry | None:
    """The last recovery, begun or finished."""
    return next((entry for entry in reversed(chain) if entry.record.kind in ("recovering", "recovered")), None)


def objection(chain: Chain, remembered: Remembered, seen: Revision, revision: Revision, broker_id: int) -> str | None:
    """Why a broker that remembers this must not use the store, which is at `revision`; None when it may.

    `seen`: the highest revision it has seen.
    """
    recovery = recovery_of(chain)
    if recovery is None:
        return _gone_back(seen, revision) or _broken(chain, remembered, revision)
    if recovery.record.kind == "recovering":
        return "a recovery of the metadata was begun and not finished: run `odradek cluster recover` again"
    covered = recovery.record.brokers.get(broker_id, 0)
    if not _is_after(chain, remembered, recovery):
        return _uncovered(max(seen, remembered.revision), covered)
    return (_gone_back(seen, revision) if seen > covered else None) or _broken(chain, remembered, revision)


def _is_after(chain: Chain, remembered: Remembered, recovery: HistoryEntry) -> bool:
    """The broker has used the store since it was recovered."""
    return any(entry.token == remembered.token and entry.since >= recovery.since for entry in chain)


def _uncovered(seen: Revision, covered: Revision) -> str | None:
    """Whether the recovery took into account all that the broker has; a new one has nothing."""
    if seen <= covered:
        return None
    return (
        "the metadata was recovered without what this broker has: what only it has would be lost. Recover again with a "
        "report of it, or start it with empty log directories"
    )


def _gone_back(seen: Revision, revision: Revision) -> str | None:
    return f"it is at revision {revision}, the data has seen {seen}: {WAY_OUT}" if revision < seen else None


def _broken(chain: Chain, remembered: Remembered, revision: Revision) -> str | None:
    if not remembered.token:
        return None
    place = next((index for index, entry in enumerate(chain) if entry.token == remembered.token), None)
    if place is None:
        return f"its history is another one than the data has seen: {WAY_OUT}"
    following = chain[place + 1].since if place + 1 < len(chain) else revision + 1
    if remembered.revision >= following:
        return (
            f"its history parts from the one that the data has seen between revisions {chain[place].since} and "
            f"{remembered.revision}: {WAY_OUT}"
        )
    return None


def outdated(history: Mapping[str, Revision]) -> list[str]:
    """Tokens that need not be kept any longer, by token and since when."""
    return sorted(history, key=history.__getitem__)[:-TOKENS_MAX] if len(history) > TOKENS_MAX else []


def epoch_floor(chain: Chain) -> int:
    """Broker epochs given before the last recovery are not above it."""
    return max((entry.record.epoch_floor for entry in chain), default=0)
