"""Which other brokers still fetch from this one: one time for each of them, whatever the number of partitions."""

from collections.abc import Callable, Container

SILENT_S = 3.0
"""A replica fetches every replica.fetch.wait.max.ms, half a second by default, and pauses a second after an error."""


class Hearing:
    """`now` in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._heard: dict[int, float] = {}

    def heard(self, broker_id: int) -> None:
        """It fetched as a replica."""
        self._heard[broker_id] = self._now()

    def forget(self, broker_id: int) -> None:
        """It has no reason to fetch any more, until it does."""
        self._heard.pop(broker_id, None)

    def forget_all_but(self, brokers: Container[int]) -> None:
        """The others have left."""
        for broker_id in [each for each in self._heard if each not in brokers]:
            del self._heard[broker_id]

    @property
    def expected(self) -> int:
        """How many brokers fetched, as far as none was forgotten."""
        return len(self._heard)

    def silent(self) -> list[int]:
        """Those that have not fetched for SILENT_S."""
        latest = self._now() - SILENT_S
        return sorted(broker_id for broker_id, at in self._heard.items() if at < latest)
