"""How far a partition is committed: pure functions over replica states.

The high watermark counts the committed in-sync replicas and those about to join them, and moves only while the
committed ones are at least the partition's effective `min.insync.replicas` (KIP-497, KIP-966). It never moves back
within a leader epoch. With one replica it is the leader's own offset.

A replica's own offset is its log end offset, or its flushed offset where `flush.messages` or `flush.ms` ask for
durability: what is counted, acknowledged and shown to consumers is then on stable storage.
"""

from collections.abc import Iterable

from kio.schema.errors import ErrorCode

from odradek.replication.followers import FollowerState

ACKS_ALL = -1
VALID_REQUIRED_ACKS = (ACKS_ALL, 0, 1)


def effective_min_isr(min_insync_replicas: int, replica_count: int) -> int:
    """`min.insync.replicas`, but never more than there are replicas."""
    return min(min_insync_replicas, replica_count)


def next_high_watermark(
    current: int, leader_offset: int, followers: Iterable[FollowerState], *, isr_size: int, min_isr: int
) -> int:
    """The high watermark after a replica's offset or the ISR changed; `isr_size` is the committed ISR's."""
    if isr_size < min_isr:
        return current
    counted = min((each.offset for each in followers if each.counted), default=leader_offset)
    return max(current, min(leader_offset, counted))


def append_error(required_acks: int, *, isr_size: int, min_isr: int) -> ErrorCode:
    """Whether a client's append may begin: checked before anything is written."""
    if required_acks not in VALID_REQUIRED_ACKS:
        return ErrorCode.invalid_required_acks
    if required_acks == ACKS_ALL and isr_size < min_isr:
        return ErrorCode.not_enough_replicas
    return ErrorCode.none


def commit_error(*, isr_size: int, min_isr: int) -> ErrorCode:
    """What an acks=all append is answered once the high watermark has passed it."""
    return ErrorCode.not_enough_replicas_after_append if isr_size < min_isr else ErrorCode.none
