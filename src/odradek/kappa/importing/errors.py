"""What keeps rows from being imported."""

from odradek.kappa.errors import KappaError


class ImportingError(KappaError):
    """The source is not what it was, or not fit; the topic is another one; the broker does not answer."""
