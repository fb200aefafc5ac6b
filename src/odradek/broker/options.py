"""What `odradek start` hands to the broker, and what the broker reports back once it serves.

Plain values: the command line fills `StartOptions`, `odradek.broker.server.run` consumes them and calls back with
`ReadyInfo`. Nothing here reads a file, so that parsing a command line stays cheap.
"""

from __future__ import annotations

from dataclasses import dataclass, field

WORKERS_MAX = 64
"""Brokers of one machine under one supervisor."""


@dataclass(frozen=True, slots=True)
class StartOptions:
    """One `odradek start`. None means: not given, the configuration file or the built-in default decides."""

    listen: str | None = None
    """`HOST:PORT`; port 0 asks the system for a free one, which `ReadyInfo.listen` then names."""
    advertise: str | None = None
    """`HOST:PORT` that clients are told to connect to."""
    data_dir: str | None = None
    node_id: int | None = None
    cluster: str | None = None
    metadata: str | None = None
    """`sqlite`, where etcd is (`etcd://HOST:PORT,...`), or the socket of a supervisor (`unix:/PATH`)."""
    config_file: str | None = None
    """TOML with Kafka's configuration keys."""
    overrides: dict[str, str] = field(default_factory=dict)
    """`--set KEY=VALUE`, unparsed; they win over the configuration file."""
    metrics: str | None = None
    """`HOST:PORT` of the HTTP endpoint with /metrics, /healthz and /readyz; None: no endpoint."""
    log_format: str = "text"
    """`text` or `json`."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    workers: int | None = None
    """So many brokers under one supervisor; None: one broker, this process."""
    metadata_socket: str | None = None
    """Where the supervisor of this broker serves its metadata; nobody but the supervisor says so."""


@dataclass(frozen=True, slots=True)
class ReadyWorker:
    """One of several brokers under a supervisor."""

    node_id: int
    listen: str
    advertise: str
    data_dir: str
    metrics: str | None
    pid: int


@dataclass(frozen=True, slots=True)
class ReadyInfo:
    """A broker that accepts connections: real addresses (no port 0) and absolute paths."""

    listen: str
    advertise: str
    data_dir: str
    node_id: int
    cluster_id: str
    metrics: str | None = None
    brokers: tuple[ReadyWorker, ...] = ()
    """With --workers all of them; the other fields are then those of the first, `data_dir` that of the supervisor."""
