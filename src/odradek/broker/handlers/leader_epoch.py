"""Whether a client means the leader it talks to (KIP-320)."""

from kio.schema.errors import ErrorCode

from odradek.broker.handlers.data_host import DataHost
from odradek.replication.partition import Partition

NO_EPOCH = -1


def leader(broker: DataHost, topic: str, index: int, current_leader_epoch: int = NO_EPOCH) -> Partition | ErrorCode:
    """The partition led here in the epoch the client knows (-1: whichever), or what to answer."""
    partition = broker.replicas.partition(topic, index)
    if not isinstance(partition, Partition) or current_leader_epoch == NO_EPOCH:
        return partition
    if current_leader_epoch < partition.leader_epoch:
        return ErrorCode.fenced_leader_epoch
    if current_leader_epoch > partition.leader_epoch:
        return ErrorCode.unknown_leader_epoch
    return partition
