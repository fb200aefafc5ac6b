"""etcd: Debian's package, fetched once and unpacked into `.peers/` without root, or the program of ODRADEK_ETCD."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from peers.programs import PEERS_DIRECTORY, PeerMissingError

PACKAGE = "etcd-server"
FETCH_TIMEOUT_S = 300
OTHERWISE = "ODRADEK_ETCD can name another one"


def etcd() -> str:
    """Path of the `etcd` server.

    Raises:
        PeerMissingError: ODRADEK_ETCD names no program, or apt could not fetch the package.
    """
    named = os.environ.get("ODRADEK_ETCD")
    if named:
        if shutil.which(named) is None:
            raise PeerMissingError(f"ODRADEK_ETCD is {named}, which is no program")
        return named
    directory = PEERS_DIRECTORY / PACKAGE
    if not directory.exists():
        _fetch(directory)
    return str(directory / "usr" / "bin" / "etcd")


def _fetch(directory: Path) -> None:
    """Unpack beside the final place and rename: an interrupted fetch leaves nothing half done."""
    PEERS_DIRECTORY.mkdir(exist_ok=True)
    with (PEERS_DIRECTORY / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            return
        work = PEERS_DIRECTORY / f"{PACKAGE}.partial"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        _run(["dpkg-deb", "-x", str(_download(work)), str(work / "root")], work)
        (work / "root").rename(directory)
        shutil.rmtree(work)


def _download(work: Path) -> Path:
    """With the machine's package lists; where it has none, with lists of our own, which need no root either."""
    download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", PACKAGE]
    try:
        _run(download, work)
    except PeerMissingError:
        lists, cache = work / "lists", work / "cache"
        for directory in (lists / "partial", cache / "archives" / "partial"):
            directory.mkdir(parents=True)
        own = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *own, "update"], work)
        _run([*download[:1], *own, *download[1:]], work)
    return next(work.glob("*.deb"))


def _run(command: Sequence[str], directory: Path) -> None:
    if shutil.which(command[0]) is None:
        raise PeerMissingError(f"etcd cannot be fetched: {command[0]} is not installed ({OTHERWISE})")
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
    if done.returncode != 0:
        lines = done.stderr.splitlines() or ["no message"]
        raise PeerMissingError(f"etcd cannot be fetched: {command[0]}: {lines[-1]} ({OTHERWISE})")
