"""What stops a view."""

from odradek.kappa.errors import KappaError


class StateError(KappaError):
    """The state is another view's or log's, or somebody else has moved it."""
