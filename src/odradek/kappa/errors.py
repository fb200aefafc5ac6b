"""What the Kappa layer refuses, in words for people."""


class KappaError(Exception):
    """One line that names what is wrong and what would be allowed."""
