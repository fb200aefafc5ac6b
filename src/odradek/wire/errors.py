"""What decoding may raise."""


class MalformedRequestError(Exception):
    """The bytes are not a request of the stated API and version: the connection is closed, as Kafka does."""


class MalformedResponseError(Exception):
    """The bytes are not the response that was asked for: the connection cannot be used any more."""


class InvalidBatchError(ValueError):
    """The bytes are no record batch: an impossible length, or fewer bytes than a batch header (CORRUPT_MESSAGE)."""


class UnsupportedMagicError(InvalidBatchError):
    """A whole batch in a format other than 2 (INVALID_RECORD for produce requests)."""
