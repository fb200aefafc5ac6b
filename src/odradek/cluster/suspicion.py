"""Brokers that others have found dead: their processes refuse connections where they are registered.

A vanished host is noticed when its lease ends. A dead process is noticed at once: its kernel answers, with a refusal.
Each broker that sees this for REFUSED_S says so in the metadata store, in a key that names the registration it means
and lives no longer than its own lease. When most of the other brokers say it, the suspect counts as fenced until they
take it back, its lease ends, or it registers anew. One broker at a time: what looks like the death of many is more
likely a network's, and for that there are leases. Plain functions and state; time is given.
"""

from odradek.cluster.image import ClusterImage

REFUSED_S = 0.5
"""Refusals without a break that make a broker suspect another one."""
REPORTERS_MIN = 2
"""With fewer others there is no majority that means anything."""


def is_suspected(image: ClusterImage, broker_id: int) -> bool:
    """Whether most of the other unfenced brokers have found this registration dead."""
    broker = image.brokers.get(broker_id)
    if broker is None or broker.fenced:
        return False
    others = [each for each in image.brokers.values() if each.broker_id != broker_id and not each.fenced]
    reports = sum(image.suspects.get((broker_id, each.broker_id)) == broker.epoch for each in others)
    return len(others) >= REPORTERS_MIN and 2 * reports > len(others)


class Suspicions:
    """Which suspects are believed: at most one more in each time of a lease (`ttl_s`)."""

    def __init__(self, ttl_s: float) -> None:
        self._ttl_s = ttl_s
        self._believed: dict[tuple[int, int], float] = {}
        """Broker id and epoch -> since when."""

    def believed(self, image: ClusterImage, now_s: float) -> frozenset[int]:
        """Brokers that count as fenced by evidence. To be asked with every image."""
        self._believed = {each: since_s for each, since_s in self._believed.items() if _is_told(image, each)}
        latest_s = max(self._believed.values(), default=None)
        for broker_id, broker in sorted(image.brokers.items()):
            suspect = (broker_id, broker.epoch)
            if suspect in self._believed or not is_suspected(image, broker_id):
                continue
            if latest_s is None or now_s - latest_s >= self._ttl_s:
                self._believed[suspect] = latest_s = now_s
        return frozenset(broker_id for broker_id, _ in self._believed)


def _is_told(image: ClusterImage, suspect: tuple[int, int]) -> bool:
    """Whether anybody still says so of this registration."""
    broker_id, epoch = suspect
    broker = image.brokers.get(broker_id)
    if broker is None or broker.epoch != epoch:
        return False
    return any(who == broker_id and said == epoch for (who, _), said in image.suspects.items())
