"""What ends a wait for a partition other than success."""

from kio.schema.errors import ErrorCode


class PartitionError(Exception):
    """The partition cannot do what was asked; `error` is what a client is answered."""

    def __init__(self, error: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error = error
