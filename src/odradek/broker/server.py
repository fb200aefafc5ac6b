"""`odradek start`: the process around a broker. Real host, uvloop, metadata store, signals, exit code."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gaierror

import uvloop

from odradek.broker.broker import Broker
from odradek.broker.loop_delay import LoopDelay
from odradek.broker.machine import real_host
from odradek.broker.measures import registry_of
from odradek.broker.options import ReadyInfo, StartOptions
from odradek.broker.settings import load_config
from odradek.broker.worker_directories import refuse_workers
from odradek.cluster.results import ClusterStartError
from odradek.config import BrokerConfig, ConfigError
from odradek.config.listener import address_of, split_address
from odradek.config.metadata import RESTORED, SocketAccess, metadata_access
from odradek.host import Host
from odradek.log.directory import AlreadyRunningError
from odradek.log.errors import LogError
from odradek.log.properties import PropertiesError
from odradek.metastore.shared.store import SocketStore
from odradek.metastore.sqlite import SqliteStore, StoreRestored
from odradek.metastore.store import MetadataStore, StoreError
from odradek.metastore.witness import Witness
from odradek.observe import logging as logging_format
from odradek.observe.http import HttpEndpoint

logger = logging.getLogger(__name__)

METADATA_FILE = "metadata.sqlite"

SWITCH_INTERVAL_S = 0.000_5
"""How long a thread that computes (a large request is read in one) may keep the loop from going on: Python's own 5 ms
would be felt by every client."""

EXPECTED = (ConfigError, LogError, AlreadyRunningError, PropertiesError, StoreError, ClusterStartError)
"""What keeps a broker from starting and is said in one line."""


class StartError(Exception):
    """Why the broker did not start: one line that says what to do."""


def run(options: StartOptions, on_ready: Callable[[ReadyInfo], None]) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit code; raises StartError."""
    with told_in_one_line():
        config = load_config(options)
        metrics_address(options.metrics)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        return uvloop.run(serve(options, config, on_ready))


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """What keeps a broker from starting becomes a StartError."""
    try:
        yield
    except StoreRestored as error:
        raise StartError(
            f"{error}. Put the newer file back, or go on with this one by --set {RESTORED}={error.revision}: "
            "what it does not know is set aside (-stray), nothing is deleted"
        ) from error
    except EXPECTED as error:
        raise StartError(str(error)) from error


async def serve(options: StartOptions, config: BrokerConfig, on_ready: Callable[[ReadyInfo], None]) -> int:
    """The life of one broker process."""
    loop = asyncio.get_running_loop()
    stop_requested = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_requested.set)
    is_one_of_several = options.metadata_socket is not None
    label = config.get("node.id") if is_one_of_several else None
    logging_format.configure(options.log_format, options.log_level, broker=label)
    warn_of_open_listeners(config)
    broker = make_broker(options, config, loop)
    endpoint: HttpEndpoint | None = None
    try:
        await start(broker, config)
        endpoint, metrics = await serve_metrics(broker, options.metrics)
        settle_memory()
        on_ready(ready_info(broker, options, config, metrics))
        waiting = loop.create_task(stop_requested.wait())
        await asyncio.wait((waiting, broker.failed), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        await broker.stop()
        if endpoint is not None:
            endpoint.stop()
    return 0 if stop_requested.is_set() else 1


def make_broker(options: StartOptions, config: BrokerConfig, loop: asyncio.AbstractEventLoop) -> Broker:
    """On this machine. Raises StartError for a directory that cannot be made or is not for one broker."""
    host = real_host()
    store: MetadataStore
    if options.metadata_socket is not None:
        store = SocketStore(options.metadata_socket)
    else:
        directory = data_directory(options, config)
        prepare_directory(directory)
        if refusal := refuse_workers(host.files, config.get("log.dirs")):
            raise StartError(refusal)
        store = make_store(host, directory, config)
    return Broker(host, loop, config, store, cluster_name=options.cluster or "default")


def make_store(host: Host, directory: str, config: BrokerConfig) -> MetadataStore:
    """SQLite in the directory, a supervisor's socket, or etcd, whose client is imported only where it is used."""
    access = metadata_access(config.get)
    if access is None:
        return sqlite_store(host, directory, config)
    if isinstance(access, SocketAccess):
        return SocketStore(access.path)
    try:
        from odradek.metastore.etcd.store import EtcdStore
    except ModuleNotFoundError as error:
        raise StartError(f"{error.name} is missing for metadata on etcd: pip install 'odradek[etcd]'") from error
    return EtcdStore(access, witness=Witness(host.files, config.get("log.dirs")), stream_from=config.get("node.id"))


def sqlite_store(host: Host, directory: str, config: BrokerConfig) -> SqliteStore:
    """The metadata in the directory, watched over by a witness in every log directory."""
    witness = Witness(host.files, config.get("log.dirs"))
    return SqliteStore(str(Path(directory) / METADATA_FILE), witness=witness, accepted=config.get(RESTORED))


async def start(broker: Broker, config: BrokerConfig) -> None:
    """Raises StartError for an address that cannot be had."""
    try:
        await broker.start()
    except gaierror as error:
        hosts = ", ".join(each.host for each in config.listeners)
        raise StartError(f"cannot listen on {hosts}: {error.strerror}. Name an address of this machine") from error
    except OSError as error:
        addresses = ", ".join(address_of(each.host, each.port) for each in config.listeners)
        raise StartError(
            f"cannot listen on {addresses}: {error.strerror or error}. Another broker may be running there; "
            "choose another address with --listen HOST:PORT"
        ) from error


async def serve_metrics(broker: Broker, address: str | None) -> tuple[HttpEndpoint | None, str | None]:
    """Open the HTTP endpoint where one is asked for, and its real address. Raises StartError."""
    if address is None:
        return None, None
    host, port = metrics_address(address)
    registry = registry_of(broker)
    LoopDelay(broker.loop, registry).start()
    endpoint = HttpEndpoint(broker.loop, registry, lambda: broker.is_serving)
    try:
        bound = await endpoint.start(host.strip("[]"), port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise StartError(f"cannot serve metrics on {address}: {reason}. Choose another --metrics HOST:PORT") from error
    return endpoint, f"{host}:{bound[1]}"


def metrics_address(address: str | None) -> tuple[str, int]:
    """HOST and PORT of `--metrics`; ("", 0) when it is not given. Raises ConfigError."""
    if address is None:
        return "", 0
    host, port = split_address("--metrics", address)
    if not host:
        raise ConfigError(f"--metrics {address}: must be HOST:PORT")
    return host, port


def warn_of_open_listeners(config: BrokerConfig) -> None:
    """There is no authentication: whoever reaches a listener may read, write and delete everything."""
    for listener in config.listeners:
        if not listener.is_loopback:
            logger.warning("%s can be reached by other machines, and clients are not authenticated", listener)


def settle_memory() -> None:
    """What start-up made lives for ever: keep the collector from walking it again and again."""
    gc.collect()
    gc.freeze()


def prepare_directory(directory: str) -> None:
    """Make the one that holds the metadata; of several log directories, the others may fail without it.

    Raises StartError.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"cannot make the data directory {directory}: {error.strerror}") from error


def data_directory(options: StartOptions, config: BrokerConfig) -> str:
    """Where metadata lives: `--data-dir`, else the first log directory."""
    return options.data_dir or str(config.get("log.dirs")[0])


def ready_info(broker: Broker, options: StartOptions, config: BrokerConfig, metrics: str | None = None) -> ReadyInfo:
    """What is shown to whoever started the broker."""
    bound, advertised = broker.listeners[0], broker.advertised[0]
    named = (data_directory(options, config), *config.get("log.dirs"))
    directories = dict.fromkeys(str(Path(directory).absolute()) for directory in named)
    return ReadyInfo(
        listen=address_of(bound.host, bound.port),
        advertise=address_of(advertised.host, advertised.port),
        data_dir=", ".join(directories),
        node_id=broker.node_id,
        cluster_id=broker.cluster.image.cluster_id,
        metrics=metrics,
    )
