"""What keeps a snapshot from being taken."""

from odradek.kappa.errors import KappaError


class SnapshotError(KappaError):
    """The table is another topic's, its columns are others, or its catalog does not answer."""
