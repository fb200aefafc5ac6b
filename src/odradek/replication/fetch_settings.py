"""What replica fetchers take from the broker's configuration."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """Each field is the configuration key with its dots replaced."""

    num_replica_fetchers: int
    replica_fetch_wait_max_ms: int
    replica_fetch_min_bytes: int
    replica_fetch_max_bytes: int
    replica_fetch_response_max_bytes: int
    replica_fetch_backoff_ms: int
    replica_socket_timeout_ms: int
    replica_socket_receive_buffer_bytes: int
    inter_broker_listener_name: str | None

    @classmethod
    def of(cls, get: Callable[[str], Any]) -> Self:
        """`get` is `BrokerConfig.get`."""
        return cls(**{name: get(name.replace("_", ".")) for name in cls.__dataclass_fields__})
