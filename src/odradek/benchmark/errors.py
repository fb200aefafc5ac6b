"""What ends a measurement."""


class BenchError(Exception):
    """The broker did not do what the row needs; the message says what, in one line."""
