"""Where several brokers under one supervisor have their logs: each in `broker-<id>` inside of every log directory.

A log directory belongs either to one broker itself or to several in it. `broker-2` is also the name of partition 2 of a
topic `broker`, so only what has a meta.properties is a broker's.
"""

import re
from collections.abc import Iterable

from odradek.host import FileSystem
from odradek.log.directory_names import parse_directory_name
from odradek.log.properties import META_PROPERTIES

PREFIX = "broker-"
MOVING = re.compile(r"\.broker-([0-9]+)\.moving")
"""The directory in which what one broker had alone is gathered, until it gets its name; no partition's has such one."""


def worker_directory(log_dir: str, node_id: int) -> str:
    return f"{log_dir.rstrip('/')}/{PREFIX}{node_id}"


def moving_directory(log_dir: str, node_id: int) -> str:
    return f"{log_dir.rstrip('/')}/.broker-{node_id}.moving"


def workers_in(files: FileSystem, log_dir: str) -> list[int]:
    """Ids of the brokers that have logs in the directory. Raises OSError."""
    names = files.listdir(log_dir) if files.exists(log_dir) else []
    ids = [
        parsed[1] for name in names if name.startswith(PREFIX) and (parsed := parse_directory_name(name)) is not None
    ]
    return sorted(node_id for node_id in ids if _belongs_to_worker(files, log_dir, node_id))


def _belongs_to_worker(files: FileSystem, log_dir: str, node_id: int) -> bool:
    return files.exists(f"{worker_directory(log_dir, node_id)}/{META_PROPERTIES}")


def moving_in(files: FileSystem, log_dir: str) -> list[int]:
    """Brokers whose logs were being moved into a directory of their own when the process died. Raises OSError."""
    names = files.listdir(log_dir) if files.exists(log_dir) else []
    return sorted(int(found[1]) for name in names if (found := MOVING.fullmatch(name)) is not None)


def refuse_workers(files: FileSystem, log_dirs: Iterable[str]) -> str | None:
    """Why one broker alone must not be started here: it would not see the others' records, and lead without its own."""
    for log_dir in log_dirs:
        try:
            ids = sorted({*workers_in(files, log_dir), *moving_in(files, log_dir)})
        except OSError:
            continue  # One of several may have failed; the start says so.
        if ids:
            return f"{log_dir} has the data of broker {_listed(ids)}: start with {how_to_start(ids)}"
    return None


def how_to_start(ids: list[int]) -> str:
    """The options that start these brokers, and those between them."""
    first = "" if ids[0] == 1 else f" --node-id {ids[0]}"
    return f"--workers {ids[-1] - ids[0] + 1}{first}"


def _listed(ids: list[int]) -> str:
    return ", ".join(str(node_id) for node_id in ids)
