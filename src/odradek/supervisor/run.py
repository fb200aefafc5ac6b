"""`odradek start --workers N`: the process around the supervisor. Directories, signals, exit code."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from odradek.broker.machine import real_host
from odradek.broker.options import ReadyInfo, ReadyWorker, StartOptions
from odradek.broker.server import (
    METADATA_FILE,
    StartError,
    data_directory,
    make_store,
    metrics_address,
    prepare_directory,
    settle_memory,
    told_in_one_line,
)
from odradek.broker.settings import load_config
from odradek.cluster.keys import Keys
from odradek.cluster.records import MetaRecord, decode
from odradek.config import BrokerConfig
from odradek.config.listener import address_of
from odradek.config.metadata import metadata_access
from odradek.host import Host
from odradek.log.directory import LogDirectory
from odradek.metastore.shared.address import SOCKET_NAME
from odradek.metastore.store import MetadataStore
from odradek.observe import logging as logging_format
from odradek.supervisor.plan import WorkerPlan, addresses_of, make_plans
from odradek.supervisor.supervisor import Supervisor
from odradek.supervisor.takeover import RefusedError, take_over

logger = logging.getLogger(__name__)


def run(options: StartOptions, on_ready: Callable[[ReadyInfo], None]) -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit code; raises StartError."""
    with told_in_one_line():
        config = load_config(options)
        metrics_address(options.metrics)
        directory = data_directory(options, config)
        host = real_host()
        plans = make_plans(options, config, str(Path(directory).absolute() / SOCKET_NAME), host.name)
        logging_format.configure(options.log_format, options.log_level)
        prepare_directory(directory)
        with ExitStack() as locks:
            log_dirs = hold_directories(host, directory, config, locks)
            require_same_metadata(host, directory, config)
            make_ready(host, log_dirs, plans)
            return uvloop.run(supervise(options, config, host, plans, on_ready))


def hold_directories(host: Host, directory: str, config: BrokerConfig, locks: ExitStack) -> list[str]:
    """The log directories that can be used; nobody else starts in them. Raises StartError, AlreadyRunningError.

    Of several, one may have failed: the brokers go on without it. The one with the metadata is needed.
    """
    first = config.listeners[0]
    held: list[str] = []
    for path in dict.fromkeys(str(Path(each).absolute()) for each in (directory, *config.get("log.dirs"))):
        log_directory = LogDirectory(host.files, path)
        try:
            log_directory.lock(host.pid, address_of(first.host, first.port))
        except OSError as error:
            if not held:
                raise StartError(f"cannot use the data directory {path}: {error.strerror}") from error
            logger.error("log directory %s cannot be used: %s", path, error.strerror)
            continue
        locks.callback(log_directory.close)
        held.append(path)
    return held


def require_same_metadata(host: Host, directory: str, config: BrokerConfig) -> None:
    """Data whose metadata lies beside it is not moved for brokers that have theirs elsewhere. Raises StartError."""
    if metadata_access(config.get) is not None and host.files.exists(str(Path(directory) / METADATA_FILE)):
        raise StartError(
            f"{directory} has its metadata in SQLite: start it without --metadata (or odradek.metadata), or choose "
            "another --data-dir"
        )


def make_ready(host: Host, log_dirs: Sequence[str], plans: Sequence[WorkerPlan]) -> None:
    """What one broker had alone becomes a worker's, and every address is free. Raises StartError."""
    try:
        take_over(host.files, log_dirs, [plan.node_id for plan in plans])
    except RefusedError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"cannot move the broker's data: {error}") from error
    for plan in plans:
        check_free(plan)


def check_free(plan: WorkerPlan) -> None:
    """Found before anything is started, an address in use is one line and nothing else. Raises StartError."""
    for host, port in addresses_of(plan.options):
        try:
            _try_to_bind(host.strip("[]"), port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                continue  # The broker itself will say so.
            raise StartError(
                f"broker {plan.node_id} cannot listen on {host}:{port}: {error.strerror or error}. Another broker may "
                "be running there; choose another first address with --listen HOST:PORT (or --metrics)"
            ) from error


def _try_to_bind(host: str, port: int) -> None:
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            tried.bind(address)


async def supervise(
    options: StartOptions,
    config: BrokerConfig,
    host: Host,
    plans: Sequence[WorkerPlan],
    on_ready: Callable[[ReadyInfo], None],
) -> int:
    """The life of the supervisor."""
    loop = asyncio.get_running_loop()
    stop_requested = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_requested.set)
    keys = Keys(options.cluster or "default")
    directory = data_directory(options, config)
    store = make_store(host, directory, config)
    socket_path = plans[0].options.metadata_socket
    assert socket_path is not None
    supervisor = Supervisor(store, socket_path, plans, keys)
    stopping, starting = loop.create_task(stop_requested.wait()), loop.create_task(start(supervisor))
    try:
        await asyncio.wait((starting, stopping, supervisor.failed), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            workers = starting.result()
            settle_memory()
            on_ready(ready_info(workers, directory, await cluster_id(store, keys)))
            await asyncio.wait((stopping, supervisor.failed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, starting):
            task.cancel()
        await asyncio.wait((stopping, starting))
        is_clean = await supervisor.stop()
    return 0 if is_clean and stop_requested.is_set() else 1


async def start(supervisor: Supervisor) -> list[ReadyWorker]:
    """Raises StartError for a socket that cannot be had."""
    try:
        return await supervisor.start()
    except OSError as error:
        raise StartError(f"cannot serve the metadata to the brokers: {error.strerror or error}") from error


async def cluster_id(store: MetadataStore, keys: Keys) -> str:
    """As the brokers have written it."""
    found, _ = await store.get(keys.meta)
    return "" if found is None else decode(MetaRecord, found.value).cluster_id


def ready_info(workers: Sequence[ReadyWorker], directory: str, cluster: str) -> ReadyInfo:
    """What is shown to whoever started them."""
    first = workers[0]
    return ReadyInfo(
        listen=first.listen,
        advertise=first.advertise,
        data_dir=str(Path(directory).absolute()),
        node_id=first.node_id,
        cluster_id=cluster,
        metrics=first.metrics,
        brokers=tuple(workers),
    )
