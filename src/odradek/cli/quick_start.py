"""Parses an ordinary `odradek start` without Typer, whose import alone takes longer than starting the broker.

Only what is certainly right is parsed here. Anything else (--help, a misspelt option, a missing or bad value) is left
to the Typer command in `odradek.cli.start`, which knows how to tell it. A test holds both to the same options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odradek.broker.options import WORKERS_MAX, StartOptions
from odradek.cli.starting import LOG_FORMATS, LOG_LEVELS

FIELDS = {
    "--listen": "listen",
    "--advertise": "advertise",
    "--data-dir": "data_dir",
    "--node-id": "node_id",
    "--workers": "workers",
    "--cluster": "cluster",
    "--metadata": "metadata",
    "--config": "config_file",
    "--set": "overrides",
    "--metrics": "metrics",
    "--log-format": "log_format",
    "--log-level": "log_level",
}
"""Option -> field of StartOptions."""


def parse(arguments: Sequence[str]) -> tuple[StartOptions, bool] | None:
    """The options of a plain `[--json] start ...` and whether JSON is wanted; None for whatever else was typed."""
    rest = list(arguments)
    as_json = rest[:1] == ["--json"]
    rest = rest[1:] if as_json else rest
    if rest[:1] != ["start"]:
        return None
    fields: dict[str, Any] = {"overrides": {}}
    words = iter(rest[1:])
    for word in words:
        option, has_value, value = word.partition("=")
        if option == "--json" and not has_value:
            as_json = True
            continue
        if option not in FIELDS:
            return None
        if not has_value and ((value := next(words, "--")) == "" or value.startswith("--")):
            return None
        if not _assign(fields, FIELDS[option], value):
            return None
    return StartOptions(**fields), as_json


def _assign(fields: dict[str, Any], field: str, value: str) -> bool:
    match field:
        case "overrides":
            key, separator, content = value.partition("=")
            fields[field][key.strip()] = content.strip()
            return bool(separator and key.strip())
        case "node_id":
            if not (value.isascii() and value.isdigit()):
                return False
            fields[field] = int(value)
        case "workers":
            if not (value.isascii() and value.isdigit() and 1 <= int(value) <= WORKERS_MAX):
                return False
            fields[field] = int(value)
        case "log_format" if value not in LOG_FORMATS:
            return False
        case "log_level" if (value := value.upper()) not in LOG_LEVELS:
            return False
        case _:
            fields[field] = value
    return True
