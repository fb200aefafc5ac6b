"""A network of our own: machines (network namespaces) on one switch (a bridge), with cables that can be cut.

One-way loss needs no packet filter: a machine that believes another one to have a network address that nobody has
sends its packets into the void, silently, while the other's still arrive. Needs root; what the kernel refuses ends the
test as not run.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.machine import require_root
from tests.support.not_run import not_run

NOBODY = "02:00:00:00:00:99"
"""A network address that no machine has."""


class NetworkRefused(Exception):
    """What `ip` said."""


@dataclass(frozen=True, slots=True)
class Machine:
    name: str
    address: str
    cable: str
    """The switch's end of it."""

    @property
    def inside(self) -> tuple[str, ...]:
        """Before a command that runs on it."""
        return "ip", "netns", "exec", self.name


class Network:
    """`add` machines, `lose` their packets, `unplug` their cables, `heal` it all."""

    def __init__(self, tag: str, subnet: str) -> None:
        self._tag, self._subnet = tag, subnet
        self._switch = f"{tag}br"
        self._machines: list[Machine] = []
        self._lost: list[tuple[Machine, str]] = []
        ip("link", "add", self._switch, "type", "bridge")
        ip("address", "add", f"{subnet}.1/24", "dev", self._switch)
        ip("link", "set", self._switch, "up")

    @property
    def clients(self) -> str:
        """The address of everything that is on no machine: the test and its clients."""
        return f"{self._subnet}.1"

    def add(self) -> Machine:
        number = 10 + len(self._machines)
        machine = Machine(f"{self._tag}m{number}", f"{self._subnet}.{number}", f"{self._tag}v{number}")
        ip("netns", "add", machine.name)
        self._machines.append(machine)
        ip("link", "add", machine.cable, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
        ip("link", "set", machine.cable, "master", self._switch, "up")
        ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            ip("-n", machine.name, "link", "set", device, "up")
        return machine

    def lose(self, sender: Machine, address: str) -> None:
        """Whatever the machine sends there is lost; what comes from there arrives."""
        ip("-n", sender.name, "neigh", "replace", address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
        self._lost.append((sender, address))

    def cut(self, one: Machine, other: Machine) -> None:
        """Both ways."""
        self.lose(one, other.address)
        self.lose(other, one.address)

    def unplug(self, machine: Machine) -> None:
        ip("link", "set", machine.cable, "down")

    def heal(self) -> None:
        for sender, address in self._lost:
            ip("-n", sender.name, "neigh", "del", address, "dev", "eth0")
        self._lost.clear()
        for machine in self._machines:
            ip("link", "set", machine.cable, "up")

    def remove(self) -> None:
        """Everything that was made, as far as it was."""
        for machine in self._machines:
            subprocess.run(("ip", "link", "del", machine.cable), capture_output=True)
            subprocess.run(("ip", "netns", "del", machine.name), capture_output=True)
        subprocess.run(("ip", "link", "del", self._switch), capture_output=True)


def ip(*words: str) -> None:
    """Raises NetworkRefused."""
    ended = subprocess.run(("ip", *words), capture_output=True, text=True)
    if ended.returncode:
        raise NetworkRefused(f"ip {' '.join(words)}: {ended.stderr.strip()}")


@contextmanager
def network(machines: int) -> Iterator[tuple[Network, list[Machine]]]:
    """One that can have so many machines, or the test is not run."""
    require_root()
    made = None
    try:
        subnet = f"10.{random.randint(64, 127)}.{random.randint(0, 255)}"  # another run may be at work beside this one
        made = Network(f"od{os.getpid() % 100_000}", subnet)
        found = [made.add() for _ in range(machines)]
    except (NetworkRefused, FileNotFoundError) as error:
        if made is not None:
            made.remove()
        not_run(f"network namespaces were refused: {error}")
    try:
        yield made, found
    finally:
        made.remove()
