"""What a broker's refusal of a setting leaves out: the values that are allowed, and the nearest known key."""

from __future__ import annotations

import re

from odradek.config.broker import BROKER_OPTIONS
from odradek.config.explain import allowed
from odradek.config.group import GROUP_OPTIONS
from odradek.config.option import nearest
from odradek.config.topic import TOPIC_OPTIONS

_TABLES = {"topic": TOPIC_OPTIONS, "broker": BROKER_OPTIONS, "group": GROUP_OPTIONS}
_BAD_VALUE = re.compile(r"Invalid value .*for configuration (?P<key>[\w.]+): ")
_UNKNOWN = re.compile(r"Unknown (?P<kind>topic|broker|group) config name: (?P<key>\S*)$")

_TOO_MANY_PARTITIONS = "Excessively large number of partitions per request"


def with_what_is_allowed(text: str) -> str:
    """The text of a refusal, completed where it is about a setting that is known here."""
    if found := _BAD_VALUE.search(text):
        options = [table[found["key"]] for table in _TABLES.values() if found["key"] in table]
        return f"{text}; allowed is {allowed(options[0])}" if options else text
    if found := _UNKNOWN.search(text):
        kind = found["kind"]
        everything = f"; `odradek config describe {kind} NAME --all` lists all"
        return text + (nearest(found["key"], _TABLES[kind]) or everything)
    if text == _TOO_MANY_PARTITIONS:
        return f"{text}; at most 10,000 are made at a time, `odradek topic alter` adds more"
    return text
