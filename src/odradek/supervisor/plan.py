"""From one `odradek start --workers N` to the options of N brokers: ids and ports counted up, directories of their own.

Plain functions of options and configuration.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from odradek.broker.options import StartOptions
from odradek.broker.server import metrics_address
from odradek.broker.settings import load_config
from odradek.broker.worker_directories import worker_directory
from odradek.config import BrokerConfig, ConfigError, Listener
from odradek.config.listener import PORT_MAX


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One broker to be started."""

    node_id: int
    options: StartOptions


def make_plans(options: StartOptions, config: BrokerConfig, socket_path: str, host_name: str) -> list[WorkerPlan]:
    """`config` is what `options` come to for the first broker. Raises ConfigError.

    All are in one rack: `broker.rack`, which is the host's name unless it is set. So no two hosts have one, and the
    copies of a partition are on several hosts where there are several.
    """
    assert options.workers is not None
    rack = config.get("broker.rack") or host_name
    plans = [_plan(options, config, socket_path, rack, index) for index in range(options.workers)]
    for plan in plans:
        load_config(plan.options)
    _check_ports(plans)
    return plans


def _plan(options: StartOptions, config: BrokerConfig, socket_path: str, rack: str, index: int) -> WorkerPlan:
    node_id = config.get("node.id") + index
    own = {
        "node.id": str(node_id),
        "broker.rack": rack,
        "listeners": _joined(counted_up(each, index) for each in config.listeners),
        "log.dirs": ",".join(worker_directory(path, node_id) for path in config.get("log.dirs")),
    }
    if "advertised.listeners" in config.static:
        own["advertised.listeners"] = _joined(counted_up(each, index) for each in config.advertised_listeners)
    return WorkerPlan(
        node_id,
        StartOptions(
            cluster=options.cluster,
            config_file=options.config_file,
            overrides={**options.overrides, **own},
            metrics=_metrics(options.metrics, index),
            log_format=options.log_format,
            log_level=options.log_level,
            metadata_socket=socket_path,
        ),
    )


def counted_up(listener: Listener, index: int) -> Listener:
    """The listener of the broker with this index; a free port stays one. Raises ConfigError past the last port."""
    return Listener(listener.name, listener.host, _port(listener.port, index, str(listener)))


def _port(first: int, index: int, address: str) -> int:
    port = first + index if first else 0
    if port > PORT_MAX:
        raise ConfigError(f"--workers: ports counted up from {address} end beyond {PORT_MAX}")
    return port


def _metrics(address: str | None, index: int) -> str | None:
    host, port = metrics_address(address)
    return f"{host}:{_port(port, index, f'--metrics {address}')}" if address is not None else None


def _joined(listeners: Iterable[Listener]) -> str:
    return ",".join(str(listener) for listener in listeners)


def _check_ports(plans: Sequence[WorkerPlan]) -> None:
    """Raises ConfigError where two listeners of different brokers come to one address."""
    taken: dict[tuple[str, int], int] = {}
    for plan in plans:
        for host, port in addresses_of(plan.options):
            other = taken.setdefault((host, port), plan.node_id)
            if port and other != plan.node_id:
                raise ConfigError(
                    f"--workers: brokers {other} and {plan.node_id} would both listen on {host}:{port}: "
                    f"leave {len(plans)} ports from one listener (or --metrics) to the next"
                )


def addresses_of(options: StartOptions) -> list[tuple[str, int]]:
    """Where a broker listens, its HTTP endpoint included."""
    listeners = [(each.host, each.port) for each in load_config(options).listeners]
    return [*listeners, metrics_address(options.metrics)] if options.metrics is not None else listeners
