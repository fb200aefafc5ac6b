"""From start options to a `BrokerConfig`: defaults, then the TOML file, then `--set`, then the named options."""

import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from odradek.broker.options import StartOptions
from odradek.cluster.keys import CLUSTER_NAME
from odradek.config import BrokerConfig, ConfigError
from odradek.config.listener import split_address

NAMED = {"node_id": "node.id", "metadata": "odradek.metadata"}
"""Options of the command line that stand for one configuration key."""

SHARED_METADATA = ("unix:", "etcd:", "etcds:")
"""Of a broker among others: where nobody says otherwise its host is its rack, so that no host has all copies."""


def load_config(options: StartOptions) -> BrokerConfig:
    """Raises ConfigError with one line that names the file or key."""
    _check_names(options)
    values: dict[str, object] = dict(_file_values(options.config_file)) if options.config_file else {}
    values.update(options.overrides)
    values.update({key: getattr(options, name) for name, key in NAMED.items() if getattr(options, name) is not None})
    if options.listen is not None:
        split_address("--listen", options.listen)
        values["listeners"] = f"PLAINTEXT://{options.listen}"
    if options.advertise is not None:
        split_address("--advertise", options.advertise)
        values["advertised.listeners"] = f"PLAINTEXT://{options.advertise}"
    if not {"log.dirs", "log.dir"} & values.keys():
        values["log.dirs"] = options.data_dir or default_data_directory()
    if str(values.get("odradek.metadata")).startswith(SHARED_METADATA):
        values.setdefault("broker.rack", socket.gethostname())
    return BrokerConfig.parse(values)


def _check_names(options: StartOptions) -> None:
    if options.data_dir == "":
        raise ConfigError("--data-dir: must name a directory")
    if options.cluster is not None and not CLUSTER_NAME.fullmatch(options.cluster):
        raise ConfigError(f"--cluster {options.cluster!r}: must be 1 to 100 of a-z A-Z 0-9 . _ -")


def default_data_directory() -> str:
    """`$ODRADEK_DATA_DIR`, else `$XDG_DATA_HOME/odradek`, where XDG's own default is `~/.local/share`."""
    if named := os.environ.get("ODRADEK_DATA_DIR"):
        return named
    return str(Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "odradek")


def _file_values(path: str) -> Iterator[tuple[str, object]]:
    try:
        parsed = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    found: dict[str, object] = {}
    for key, value in _flatten(parsed):
        if key in found:
            raise ConfigError(f"{path}: {key} is there twice, with and without quotes")
        found[key] = value
    yield from found.items()


def _flatten(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """TOML reads an unquoted `log.segment.bytes` as nested tables; Kafka's keys are flat."""
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{key}.")
        elif isinstance(value, list):
            yield key, ",".join(str(item) for item in value)
        else:
            yield key, value
