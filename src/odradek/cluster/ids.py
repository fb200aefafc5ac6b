"""Topic and cluster ids: random UUIDs, written as Kafka writes them (URL-safe base64, 22 characters)."""

import base64
import random
from uuid import UUID

ZERO_UUID = UUID(int=0)
METADATA_TOPIC_ID = UUID(int=1)
RESERVED = (ZERO_UUID, METADATA_TOPIC_ID)


def uuid_text(value: UUID) -> str:
    """22 characters of URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(value.bytes).rstrip(b"=").decode()


def uuid_from_text(text: str) -> UUID:
    """Raises ValueError."""
    return UUID(bytes=base64.urlsafe_b64decode(text + "=="))


def random_uuid(source: random.Random) -> UUID:
    """A version 4 UUID that is not reserved and whose text no command line takes for an option."""
    while True:
        value = UUID(bytes=source.randbytes(16), version=4)
        if value not in RESERVED and not uuid_text(value).startswith("-"):
            return value
