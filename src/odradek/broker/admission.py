"""How many connections there may be: in all, and from one address."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek.config import BrokerConfig


class Admission:
    """`config` is asked at each decision, so that dynamic limits count at once.

    `descriptors_max` is what the process may open for connections, whatever the configuration allows: accepting more
    would take the descriptors of files.
    """

    __slots__ = ("_config", "_descriptors_max", "_per_host", "refused", "total")

    def __init__(self, config: "Callable[[], BrokerConfig]", descriptors_max: int) -> None:
        self._config = config
        self._descriptors_max = descriptors_max
        self._per_host: dict[str, int] = {}
        self.total = 0
        self.refused = {"address": 0, "broker": 0}
        """Connections since the start that were closed at once, by the limit they exceeded."""

    def add(self, host: str) -> str | None:
        """Count a connection; why it must be closed, or None. Either way `remove` is to follow."""
        self.total += 1
        count = self._per_host[host] = self._per_host.get(host, 0) + 1
        config = self._config()
        if count > (limit := self._limit_of(host)):
            self.refused["address"] += 1
            return f"there are {limit} connections from {host} (max.connections.per.ip)"
        if self.total > (limit := min(config.get("max.connections"), self._descriptors_max)):
            self.refused["broker"] += 1
            return f"there are {limit} connections (max.connections, or what the system lets the process open)"
        return None

    def remove(self, host: str) -> None:
        """One is lost."""
        self.total -= 1
        count = self._per_host.pop(host) - 1
        if count:
            self._per_host[host] = count

    def _limit_of(self, host: str) -> int:
        config = self._config()
        overrides: tuple[str, ...] = config.get("max.connections.per.ip.overrides")
        for each in overrides:
            address, _, limit = each.rpartition(":")
            if address == host:
                return int(limit)
        per_host: int = config.get("max.connections.per.ip")
        return per_host
