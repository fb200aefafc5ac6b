"""One configuration option: everything that parsing, describing and documenting need to know of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from types import MappingProxyType

from odradek.config.checks import ANY, Check
from odradek.config.errors import ConfigError
from odradek.config.values import Type, Value, parse, render


class Scope(Enum):
    """Whose option it is."""

    BROKER = "broker"
    TOPIC = "topic"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Synonym:
    """A broker key that gives a topic option its default; its value counts `factor` units of the option."""

    name: str
    factor: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A row of the table. `name` is Kafka's key, or starts with `odradek.` where Kafka has none."""

    name: str
    type: Type
    default: Value
    doc: str
    """One sentence."""
    scope: Scope = Scope.BROKER
    check: Check = ANY
    dynamic: bool = False
    """Whether a running broker takes a new value."""
    per_broker: bool = False
    """Whether a dynamic value can be given only to one broker, not to all."""
    cluster_wide: bool = False
    """Whether it can only be set for all brokers together, while they run."""
    sensitive: bool = False
    synonyms: tuple[Synonym, ...] = ()
    """Of a topic option: the broker keys behind it, the strongest first."""

    def parse(self, text: str) -> Value:
        """Raises ConfigError naming key, value and what is allowed."""
        try:
            value = parse(self.type, text)
        except ValueError as error:
            raise ConfigError(f"Invalid value {text} for configuration {self.name}: {error}") from None
        try:
            self.check(value)
        except ValueError as error:
            problem, *culprit = error.args
            shown = culprit[0] if culprit else render(value)
            raise ConfigError(f"Invalid value {shown} for configuration {self.name}: {problem}") from None
        return value


Table = Mapping[str, Option]


def table(*groups: Iterable[Option]) -> Table:
    """Options by name, in the order given. A name given twice is a mistake in the source."""
    options = [option for group in groups for option in group]
    by_name = {option.name: option for option in options}
    assert len(by_name) == len(options), "an option is defined twice"
    return MappingProxyType(by_name)


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` with the most similar known name, or nothing when none is similar."""
    found = get_close_matches(name, known, n=1)
    return f'; did you mean "{found[0]}"?' if found else ""
