"""Real etcd servers for tests: one member or several, on free ports of this machine, stopped, killed and started again.

Elections are quicker than with etcd's own settings, and pings may come every second: tests of failures are quick.
"""

import json
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers import PeerMissingError, etcd

from odradek.config.metadata import EtcdAccess
from odradek.metastore.etcd.timing import Timing
from tests.support.certificates import Certificates
from tests.support.not_run import not_run

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
HEARTBEAT_MS = (10, 50)
"""Of a member on its own, and of one of several: on a busy machine less would cost them their leader."""
ALL_KEYS = "AA=="
"""For the JSON gateway, as both ends of a range: a zero byte in base64."""

QUICK = Timing(
    open_s=10, answer_s=1, repeat_s=3, leader_s=1, patience_s=3, pause_s=0.05, ping_s=1, ping_answer_s=1, close_s=0.5
)
"""Waits of a client that talks to servers on the same machine."""


def free_ports(count: int) -> list[int]:
    """Free at this moment, all of them different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass(slots=True)
class EtcdMember:
    """One etcd process and its data directory."""

    name: str
    directory: Path
    client_port: int
    peer_port: int
    health_port: int
    certificates: Certificates | None = None
    peers: str = ""
    host: str = "127.0.0.1"
    wrapper: tuple[str, ...] = ()
    """Before the command: one that ends in exec."""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.client_port}"

    @property
    def peer(self) -> str:
        return f"{self.name}=http://{self.host}:{self.peer_port}"

    def launch(self) -> None:
        """Start the process, without waiting for it."""
        assert self.process is None
        with (self.directory.parent / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log)

    def _command(self) -> list[str]:
        url = f"{'https' if self.certificates else 'http'}://{self.address}"
        command = [
            *self.wrapper,
            etcd(),
            f"--name={self.name}",
            f"--data-dir={self.directory}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls=http://{self.host}:{self.peer_port}",
            f"--initial-advertise-peer-urls=http://{self.host}:{self.peer_port}",
            f"--listen-metrics-urls=http://{self.host}:{self.health_port}",
            f"--initial-cluster={self.peers or self.peer}",
            f"--heartbeat-interval={HEARTBEAT_MS[',' in self.peers]}",
            f"--election-timeout={10 * HEARTBEAT_MS[',' in self.peers]}",
            "--grpc-keepalive-min-time=500ms",
            "--logger=zap",
            "--log-level=error",
        ]
        if self.certificates is not None:
            files = self.certificates
            command += [f"--cert-file={files.cert}", f"--key-file={files.key}"]
            command += [f"--trusted-ca-file={files.ca}", "--client-cert-auth"]
        return command

    def wait_until_healthy(self) -> None:
        """Until it has a leader and answers a read."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_healthy():
            assert self.process is not None
            assert self.process.poll() is None, (self.directory.parent / f"{self.name}.log").read_text()
            assert time.monotonic() < deadline, f"{self.name} was not healthy in {START_TIMEOUT_S} s"
            time.sleep(0.02)

    def is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.health_port}/health", timeout=2) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, ValueError):
            return False

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the process; nothing to do when it has ended."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(STOP_TIMEOUT_S)

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def restart(self) -> None:
        """kill -9, and the same data again."""
        self.kill()
        self.launch()
        self.wait_until_healthy()

    def post(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        """Ask etcd's JSON gateway: what an operator does by etcdctl."""
        context, scheme = None, "http"
        if (files := self.certificates) is not None:
            context, scheme = ssl.create_default_context(cafile=str(files.ca)), "https"
            context.load_cert_chain(files.cert, files.key)
        request = urllib.request.Request(f"{scheme}://{self.address}/v3/{path}", json.dumps(body).encode())
        if token:
            request.add_header("Authorization", token)
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None
        assert isinstance(found, dict)
        return found


class EtcdCluster:
    """Members that know each other."""

    def __init__(self, directory: Path, size: int = 1, certificates: Certificates | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        ports = iter(free_ports(3 * size))
        self.members = [
            EtcdMember(name, directory / name, next(ports), next(ports), next(ports), certificates)
            for name in (f"m{index}" for index in range(size))
        ]
        self.introduce()

    def introduce(self) -> None:
        """Tell each member where all are."""
        peers = ",".join(member.peer for member in self.members)
        for member in self.members:
            member.peers = peers

    @property
    def access(self) -> EtcdAccess:
        return EtcdAccess(tuple(member.address for member in self.members))

    def start(self) -> None:
        for member in self.members:
            member.launch()
        for member in self.members:
            member.wait_until_healthy()

    def wipe(self) -> None:
        """Delete every key."""
        self.members[0].post("kv/deleterange", {"key": ALL_KEYS, "range_end": ALL_KEYS})

    def has_leader(self) -> bool:
        """Whether every running member has one, and answers."""
        return all(member.is_healthy() for member in self.members if member.process is not None)

    def leader(self) -> EtcdMember:
        """The member that is the leader now; waits for an election."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            leaders = [member for member in self.members if member.process is not None and _is_leader(member)]
            if len(leaders) == 1:
                return leaders[0]
        raise AssertionError(f"no leader in {START_TIMEOUT_S} s")

    def stop(self) -> None:
        for member in self.members:
            member.kill()


def _is_leader(member: EtcdMember) -> bool:
    status = member.post("maintenance/status", {})
    return bool(status["leader"] == status["header"]["member_id"])


@contextmanager
def etcd_cluster(directory: Path, size: int = 1, certificates: Certificates | None = None) -> Iterator[EtcdCluster]:
    """A running one. Ends the test as not run on a machine that cannot have etcd."""
    require_etcd()
    with running(EtcdCluster(directory, size, certificates)) as cluster:
        yield cluster


def require_etcd() -> None:
    try:
        etcd()
    except PeerMissingError as error:
        not_run(str(error))


@contextmanager
def running(cluster: EtcdCluster) -> Iterator[EtcdCluster]:
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
