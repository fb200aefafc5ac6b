"""How fast a leader lets replicas that are not in sync catch up (KIP-73): its own half of the throttle.

A replica that is held back is told everything but records, until the average is back below the rate. Consumers and
replicas in sync never are.
"""

from collections.abc import Callable

from odradek.config import BrokerConfig
from odradek.replication.partition import Partition
from odradek.replication.throttle import Throttle, is_throttled

LENDING_RATE = "leader.replication.throttled.rate"


class Lending:
    """One for a broker. `now` in seconds; `config` is asked each time, as the rate may change."""

    def __init__(self, broker_id: int, config: Callable[[], BrokerConfig], now: Callable[[], float]) -> None:
        self._broker_id, self._config, self._now = broker_id, config, now
        self._throttle = Throttle(config().get(LENDING_RATE), now())

    def holds_back(self, partition: Partition, replica_id: int) -> bool:
        """Whether that replica gets no records of the partition for now."""
        return self._is_slow(partition, replica_id) and self._is_rate_exceeded()

    def record(self, partition: Partition, replica_id: int, size: int) -> None:
        """So many bytes of records go to the replica."""
        if size and self._is_slow(partition, replica_id):
            self._throttle.record(size, self._now())

    def _is_slow(self, partition: Partition, replica_id: int) -> bool:
        """The topic names this broker's replica, and the other one is not in sync."""
        replicas = partition.log.config.leader_replication_throttled_replicas
        if not replicas or not is_throttled(replicas, partition.index, self._broker_id):
            return False
        return not partition.has_in_sync(replica_id)

    def _is_rate_exceeded(self) -> bool:
        now = self._now()
        self._throttle.set_rate(self._config().get(LENDING_RATE), now)
        return self._throttle.is_exceeded(now)
