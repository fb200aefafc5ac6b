"""What the cleaner takes from the broker's configuration: the keys `log.cleaner.*`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CleanerSettings:
    """Fields are the keys after `log.cleaner.` with dots replaced."""

    enable: bool = True
    threads: int = 1
    dedupe_buffer_size: int = 128 << 20
    io_buffer_size: int = 512 << 10
    io_buffer_load_factor: float = 0.9
    io_max_bytes_per_second: float = 1.7976931348623157e308
    backoff_ms: int = 15_000

    @classmethod
    def of(cls, get: Callable[[str], Any]) -> "CleanerSettings":
        """From a function that gives the value of a key, `BrokerConfig.get`."""
        return cls(**{field: get(f"log.cleaner.{field.replace('_', '.')}") for field in cls.__slots__})
