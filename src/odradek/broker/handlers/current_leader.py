"""The leader a client should ask instead, sent along with the refusal (KIP-951)."""

from typing import NamedTuple

from odradek.cluster.image import ClusterImage
from odradek.wire.produce import NodeEndpoint


class CurrentLeader(NamedTuple):
    """Leader and leader epoch, -1 when unknown; where the leader is reached on the client's listener, if anywhere."""

    leader_id: int
    leader_epoch: int
    endpoint: NodeEndpoint | None


UNKNOWN = CurrentLeader(-1, -1, None)


def current_leader(image: ClusterImage, topic: str, index: int, listener: str) -> CurrentLeader:
    """What the image says."""
    partition = image.partition(topic, index)
    if partition is None:
        return UNKNOWN
    broker = image.brokers.get(partition.leader)
    endpoint = broker.endpoint(listener) if broker is not None else None
    node = None
    if broker is not None and endpoint is not None:
        node = NodeEndpoint(broker.broker_id, endpoint.host, endpoint.port, broker.rack)
    return CurrentLeader(partition.leader, partition.leader_epoch, node)
