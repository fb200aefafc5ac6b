"""Taking a broker out of the cluster for good (UnregisterBroker, KIP-500).

Its registration and its own configuration go in one transaction, and so does its id among those to be drained: a new
broker with that id starts as any other. Replicas assigned to it stay assigned, as in Kafka, until they are moved; what
it knew counts for no election any more.
"""

from kio.schema.errors import ErrorCode

from odradek.cluster.image import DRAINING_BROKERS, ClusterImage
from odradek.cluster.image_feed import ImageFeed
from odradek.cluster.keys import Keys
from odradek.cluster.records import ConfigRecord
from odradek.cluster.results import MetadataUnavailable, UnregisterResult, refusal, unavailable
from odradek.cluster.writer import Writer, unchanged
from odradek.metastore.store import Compare, Delete, Operation, Put

RACES_MAX = 8


class Unregistering:
    def __init__(self, feed: ImageFeed, keys: Keys, writer: Writer) -> None:
        self._feed, self._keys, self._writer = feed, keys, writer

    async def unregister(self, broker_id: int) -> UnregisterResult:
        """Answered once this broker's image is without it."""
        try:
            for _ in range(RACES_MAX):
                image = self._feed.image
                if broker_id not in image.brokers:
                    message = f"Broker ID {broker_id} is not currently registered"
                    return UnregisterResult(ErrorCode.broker_id_not_registered, message)
                if await self._write(image, broker_id):
                    return UnregisterResult()
        except MetadataUnavailable as error:
            refused = unavailable(error)
            return UnregisterResult(refused.error, refused.message)
        timed_out = refusal(ErrorCode.request_timed_out)
        return UnregisterResult(timed_out.error, timed_out.message)

    async def _write(self, image: ClusterImage, broker_id: int) -> bool:
        key, own = self._keys.broker(broker_id), self._keys.config("broker", str(broker_id))
        when = [unchanged(key, image.brokers[broker_id].mod_revision)]
        then: list[Operation] = [Delete(key), Delete(own)]
        if broker_id in image.draining_brokers():
            then.append(self._undrained(image, broker_id, when))
        revision = await self._writer.commit(when, then)
        await self._feed.reach(revision if revision is not None else (await self._writer.get(key))[1])
        return revision is not None

    def _undrained(self, image: ClusterImage, broker_id: int, when: list[Compare]) -> Put:
        """The default configuration of all brokers without this one among those to be drained."""
        key = self._keys.config("broker", "")
        when.append(unchanged(key, image.config_revisions.get(("broker", ""), 0)))
        others = sorted(image.draining_brokers() - {broker_id})
        values = {**image.config("broker", ""), DRAINING_BROKERS: ",".join(map(str, others))}
        if not others:
            del values[DRAINING_BROKERS]
        return Put(key, ConfigRecord(values, self._writer.new_op_id()).encode())
