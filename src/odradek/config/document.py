"""docs/configuration.md, made from the tables: `python -m odradek.config.document > docs/configuration.md`."""

import sys
from collections.abc import Iterable

from odradek.config.broker import BROKER_OPTIONS
from odradek.config.option import Option, Scope
from odradek.config.topic import TOPIC_OPTIONS
from odradek.config.values import INT_MAX, LONG_MAX, Value, render

HEAD = """# Configuration

<!-- Made by `python -m odradek.config.document`; change the tables in src/odradek/config instead. -->

Keys are Apache Kafka's. A broker takes them from a TOML file (`odradek start --config FILE`) and from the command line
(`--set KEY=VALUE`); an unknown key or a bad value is an error at start. Keys marked *dynamic* can be changed while the
broker runs (`kafka-configs`, any admin client, `odradek config`) and then take effect at once; a value set for one
broker wins over one set for all, which wins over the file, which wins over the default.
"""
TOPICS = """
## Topics

Set when a topic is created or later; each falls back to the broker's key.
"""


def page() -> str:
    """The whole page."""
    return (
        "\n".join([HEAD, "## Brokers", "", *_table(BROKER_OPTIONS.values()), TOPICS, *_table(TOPIC_OPTIONS.values())])
        + "\n"
    )


def _table(options: Iterable[Option]) -> Iterable[str]:
    rows = list(options)
    last = "Dynamic" if rows[0].scope is Scope.BROKER else "Broker's key"
    yield f"| Key | Type | Default | Allowed | {last} | Meaning |"
    yield "|---|---|---|---|---|---|"
    for option in rows:
        yield f"| {' | '.join(_cells(option))} |"


def _cells(option: Option) -> tuple[str, ...]:
    last = "yes" if option.dynamic else "no"
    if option.scope is Scope.TOPIC:
        last = ", ".join(f"`{synonym.name}`" for synonym in option.synonyms)
    return (
        f"`{option.name}`",
        option.type.name.lower(),
        _default(option.default),
        option.check.allowed,
        last,
        option.doc,
    )


def _default(value: Value) -> str:
    if value is None or value == () or value == "":
        return ""
    if value == sys.float_info.max:
        return "no limit (the largest double)"
    names = {INT_MAX: "no limit (2147483647)", LONG_MAX: "no limit (9223372036854775807)"}
    known = names.get(value) if isinstance(value, int) and not isinstance(value, bool) else None
    return known or f"`{render(value)}`"


if __name__ == "__main__":
    sys.stdout.write(page())
