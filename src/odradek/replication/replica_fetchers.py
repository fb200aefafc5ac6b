"""All replica fetchers of a broker: which of them follows a partition, and what they share.

A partition is followed by the fetcher that its topic id and index fall to, of those that fetch from its leader. The
cluster's image says whom to follow (`ReplicaManager.on_following`); everything here happens on the event loop.
"""

import asyncio
from collections.abc import Callable, Iterator
from zlib import crc32

from odradek.cluster.image import ClusterImage, PartitionImage
from odradek.cluster.records import Endpoint
from odradek.config import BrokerConfig
from odradek.log.log_state import directory_of
from odradek.log.manager import LogManager
from odradek.replication.fetch_settings import FetchSettings
from odradek.replication.fetcher import Fetcher
from odradek.replication.followed import Followed
from odradek.replication.partition import Partition
from odradek.replication.throttle import Throttle, is_throttled
from odradek.wire.replica_fetch import Key

THROTTLE_RATE = "follower.replication.throttled.rate"


class ReplicaFetchers:
    """`broker_epoch`, `config` and `image` are asked whenever they are needed."""

    def __init__(
        self,
        logs: LogManager,
        broker_id: int,
        broker_epoch: Callable[[], int],
        config: Callable[[], BrokerConfig],
        image: Callable[[], ClusterImage],
    ) -> None:
        self.logs = logs
        self.broker_id = broker_id
        self.broker_epoch = broker_epoch
        self.settings = FetchSettings.of(config().get)
        self.throttle = Throttle(config().get(THROTTLE_RATE), logs.now())
        self.is_stopped = False
        self.bytes_in = 0
        """Of records appended as a follower."""
        self._config = config
        self._image = image
        self._fetchers: dict[tuple[int, int], Fetcher] = {}
        self._by_key: dict[Key, Fetcher] = {}

    def follow(self, partition: Partition, image: PartitionImage | None) -> None:
        """The partition has this leader now; None: there is nobody to follow (any more)."""
        key = (partition.topic_id.bytes, partition.index)
        fetcher = self._by_key.get(key)
        wanted = None if image is None or self.is_stopped else self._fetcher(image.leader, key)
        if fetcher is not None and fetcher is not wanted:
            fetcher.remove(key)
            del self._by_key[key]
        if wanted is None or image is None:
            return
        followed = wanted.followed.get(key)
        if followed is not None and followed.follows(partition, image):
            followed.update(image, self.broker_id)
            return
        self._by_key[key] = wanted
        wanted.add(Followed(key, partition, image, self.broker_id))

    def directory_failed(self, path: str) -> None:
        """Nothing in that log directory can be written any more: do not tell leaders that it is."""
        for followed in self.followed():
            if directory_of(followed.log) == path:
                self.follow(followed.partition, None)

    async def stop(self) -> None:
        """Follow nothing any more; returns when nothing is under way."""
        self.is_stopped = True
        await asyncio.gather(*(fetcher.stop() for fetcher in self._fetchers.values()))
        self._fetchers.clear()
        self._by_key.clear()

    # -- what fetchers ask ----------------------------------------------------------------------------------------

    def endpoint_of(self, broker_id: int) -> Endpoint | None:
        """Where other brokers reach it: inter.broker.listener.name, or the first listener."""
        broker = self._image().brokers.get(broker_id)
        if broker is None or not broker.endpoints:
            return None
        name = self.settings.inter_broker_listener_name
        return broker.endpoints[0] if name is None else broker.endpoint(name.upper())

    def is_throttled(self, followed: Followed) -> bool:
        """Whether the catch-up throttle may hold it up: its topic names it, and it is not in sync."""
        return self._is_named(followed) and not followed.is_in_sync

    def received(self, followed: Followed, size: int) -> None:
        """So many bytes of records were appended."""
        self.bytes_in += size
        if self._is_named(followed):
            self.throttle.record(size, self.logs.now())

    def _is_named(self, followed: Followed) -> bool:
        replicas = followed.log.config.follower_replication_throttled_replicas
        return bool(replicas) and is_throttled(replicas, followed.partition.index, self.broker_id)

    def is_rate_exceeded(self, now: float) -> bool:
        """By the configuration as it is now."""
        self.throttle.set_rate(self._config().get(THROTTLE_RATE), now)
        return self.throttle.is_exceeded(now)

    # -- what is shown --------------------------------------------------------------------------------------------

    def followed(self) -> list[Followed]:
        """Every partition that is followed, failed ones included."""
        return list(self._walk())

    def _walk(self) -> Iterator[Followed]:
        for fetcher in self._fetchers.values():
            yield from fetcher.followed.values()

    @property
    def lag_max(self) -> int:
        """The most committed records that any partition misses, as far as is known."""
        return max((each.lag for each in self._walk()), default=0)

    @property
    def failed(self) -> int:
        """Partitions that are not followed until their leader changes."""
        return sum(each.is_failed for each in self._walk())

    @property
    def waiting(self) -> int:
        """Partitions left out for a while because something went wrong."""
        return sum(each.waits_until is not None and not each.is_throttled for each in self._walk())

    @property
    def throttled(self) -> int:
        """Partitions left out for a while because of the catch-up throttle."""
        return sum(each.waits_until is not None and each.is_throttled for each in self._walk())

    def _fetcher(self, leader_id: int, key: Key) -> Fetcher:
        number = (crc32(key[0]) + key[1]) % self.settings.num_replica_fetchers
        place = (leader_id, number)
        if place not in self._fetchers:
            self._fetchers[place] = Fetcher(self, leader_id, number)
        return self._fetchers[place]
