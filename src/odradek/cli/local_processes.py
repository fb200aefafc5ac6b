"""Which process of this machine listens at an address, from /proc: only those of the same user are seen."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

_LISTEN = "0A"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def listening_pid(host: str, port: int) -> int | None:
    """None for an address of another machine, and where it cannot be told."""
    if not is_local(host):
        return None
    try:
        inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
        return next((pid for pid in _pids() if inodes & _sockets(pid)), None) if inodes else None
    except OSError:
        return None


def broker_pid(host: str, port: int) -> int | None:
    """As `listening_pid`, but only of a broker: what listens for one (a proxy, a tunnel) must not get its signals."""
    pid = listening_pid(host, port)
    return pid if pid is not None and _is_odradek(_command(pid)) else None


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _is_odradek(command: list[str]) -> bool:
    """`python -m odradek...`, or the script of that name: run by itself or by its interpreter."""
    scripts = [os.path.basename(each) for each in command[:2]]
    modules = [name for option, name in pairwise(command) if option == "-m"]
    return "odradek" in scripts or any(name.split(".")[0] == "odradek" for name in modules)


def is_local(host: str) -> bool:
    """Whether it is an address of this machine: one that could be listened at."""
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(_can_bind(family, address) for family, _, _, _, address in found)


def _can_bind(family: int, address: tuple[object, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def _listening_inodes(port: int) -> Iterator[str]:
    for table in _TABLES:
        if not os.path.exists(table):
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _sockets(pid: int) -> set[str]:
    """Nothing for a process that is gone or belongs to somebody else."""
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    except OSError:
        return found
    return found
