"""What values an option allows: each check says so in words and raises ValueError with Kafka's message."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from odradek.config.values import Value


class Check(Protocol):
    """A rule about one option's value.

    Raises ValueError with what the value must be; a second argument names the part of the value that is wrong.
    """

    @property
    def allowed(self) -> str:
        """For the documentation: `at least 1`, `one of a, b`."""

    def __call__(self, value: Value) -> None:
        """Raises ValueError as described."""


@dataclass(frozen=True, slots=True)
class AnyValue:
    allowed: str = ""

    def __call__(self, value: Value) -> None:
        """Everything of the type will do."""


@dataclass(frozen=True, slots=True)
class Between:
    """A number within bounds; `maximum` None: no upper one."""

    minimum: float
    maximum: float | None = None

    @property
    def allowed(self) -> str:
        return f"at least {self.minimum}" if self.maximum is None else f"{self.minimum} to {self.maximum}"

    def __call__(self, value: Value) -> None:
        if not isinstance(value, int | float) or value != value or value < self.minimum:
            raise ValueError(f"Value must be at least {self.minimum}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"Value must be no more than {self.maximum}")


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "one of " + ", ".join(self.words)

    def __call__(self, value: Value) -> None:
        if value not in self.words:
            raise ValueError(f"String must be one of: {', '.join(self.words)}")


@dataclass(frozen=True, slots=True)
class SomeOf:
    """A list of some words, also an empty one."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return "a list of " + ", ".join(self.words)

    def __call__(self, value: Value) -> None:
        if not isinstance(value, tuple):
            raise ValueError("must be a list")
        for word in value:
            if word not in self.words:
                raise ValueError(f"String must be one of: {', '.join(self.words)}", word)


@dataclass(frozen=True, slots=True)
class UnlimitedOr:
    """-1 for no limit, or a number from `minimum` on."""

    minimum: int

    @property
    def allowed(self) -> str:
        return f"-1 (no limit) or at least {self.minimum}"

    def __call__(self, value: Value) -> None:
        if not isinstance(value, int) or (value != -1 and value < self.minimum):
            raise ValueError(f"Value must be -1 (no limit) or at least {self.minimum}")


@dataclass(frozen=True, slots=True)
class NotEmpty:
    allowed: str = "not empty"

    def __call__(self, value: Value) -> None:
        if not value or (isinstance(value, tuple) and not all(value)):
            raise ValueError("must not be empty")


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """A list of numbers for single addresses."""

    allowed: str = "a list of IP addresses with a number from 0 on each, as 10.0.0.7:100"

    def __call__(self, value: Value) -> None:
        for each in value if isinstance(value, tuple) else ():
            address, _, number = str(each).rpartition(":")
            try:
                ip_address(address)
            except ValueError:
                raise ValueError("must be an IP address, a colon and a number", each) from None
            if not number.isdecimal():
                raise ValueError("the number after the address must be at least 0", each)


@dataclass(frozen=True, slots=True)
class Replicas:
    """A list that names replicas of a topic."""

    allowed: str = "* or a list of PARTITION:BROKER"

    def __call__(self, value: Value) -> None:
        for each in value if isinstance(value, tuple) and value != ("*",) else ():
            partition, _, broker = str(each).partition(":")
            if not (partition.isdecimal() and broker.isdecimal()):
                raise ValueError(
                    "must be the literal '*' or a list of replicas in the following format: "
                    "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
                )


@dataclass(frozen=True, slots=True)
class BrokerIds:
    """A list of broker ids, also an empty one."""

    allowed: str = "a list of broker ids"

    def __call__(self, value: Value) -> None:
        for each in value if isinstance(value, tuple) else ():
            if not (each.isascii() and each.isdigit() and int(each) < 2**31):
                raise ValueError("must be a broker id, a number from 0 on", each)


ANY = AnyValue()
POSITIVE = Between(1)
NOT_NEGATIVE = Between(0)
