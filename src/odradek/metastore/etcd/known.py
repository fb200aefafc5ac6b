"""What a store has learned of the etcd it talks to: which cluster that is, and how far it was."""

from typing import Any

from odradek.metastore.store import Revision, StoreFailed, StoreRegressed
from odradek.metastore.witness import Witness


class Known:
    """A cluster restored from a backup keeps its id: only its revision, which went back, gives it away."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self.cluster_id = 0
        """0 until the first answer."""
        self.revision: Revision = 0
        """The latest that is certain to have existed."""

    def take(self, header: Any, asked_at: Revision, address: str) -> None:
        """From the answer to a request that was sent when `asked_at` was known. Raises StoreRegressed, StoreFailed."""
        self.check_cluster(header, address)
        if header.revision < asked_at:
            raise StoreRegressed(f"revision {asked_at} was seen before, but etcd at {address} is at {header.revision}")
        self.note(header.revision)

    def check_cluster(self, header: Any, address: str) -> None:
        """Raises StoreFailed."""
        if not self.cluster_id:
            self.cluster_id = header.cluster_id
        if header.cluster_id != self.cluster_id:
            raise StoreFailed(f"etcd at {address} belongs to another cluster than the other members")

    def note(self, revision: Revision) -> None:
        if revision > self.revision:
            self.revision = revision
            self._witness.note(revision)
