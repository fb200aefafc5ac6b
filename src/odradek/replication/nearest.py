"""Which replica a consumer should read from (KIP-392): one in its own rack, if that has what it asks for. Pure."""

from collections.abc import Iterable, Mapping

from odradek.cluster.image import BrokerImage
from odradek.replication.followers import FollowerState


def nearest_replica(
    client_rack: str,
    offset: int,
    leader_id: int,
    followers: Iterable[FollowerState],
    brokers: Mapping[int, BrokerImage],
) -> int | None:
    """The follower to be read from; None when it is the leader, which is asked.

    Of several in the rack the one that has most, then the one that had all there was last. As in Kafka it need not be
    in sync, but it has to be active and to hold the offset.
    """
    leader = brokers.get(leader_id)
    if not client_rack or leader is None or leader.rack == client_rack:
        return None
    best: FollowerState | None = None
    for each in followers:
        broker = brokers.get(each.broker_id)
        if broker is None or not broker.is_active or broker.rack != client_rack:
            continue
        if not 0 <= each.log_start_offset <= offset <= each.offset:
            continue
        if best is None or (each.offset, each.caught_up_s) > (best.offset, best.caught_up_s):
            best = each
    return None if best is None else best.broker_id
