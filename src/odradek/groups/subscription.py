"""The topics in a consumer's subscription (the embedded `consumer` protocol).

Only the fields every version starts with are read, so that future versions of the client protocol stay readable:
INT16 version, ARRAY of STRING topics.
"""

from odradek.wire.errors import MalformedRequestError
from odradek.wire.primitives import checked_end, read_array, read_string

CONSUMER_PROTOCOL = "consumer"


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """Topics of ConsumerProtocolSubscription; None when the bytes are something else."""
    end = len(metadata)
    try:
        count, position = read_array(metadata, checked_end(0, 2, end), end, False, 2)
        topics = []
        for _ in range(count):
            topic, position = read_string(metadata, position, end, False)
            topics.append(topic)
    except MalformedRequestError:
        return None
    return frozenset(topics)
