"""The bundle a broker is built on."""

import random
from dataclasses import dataclass

from odradek.host.clock import Clock
from odradek.host.files import FileSystem
from odradek.host.processes import Processes


@dataclass(frozen=True, slots=True)
class Host:
    """One machine as a broker sees it. `boot_id` changes when the kernel was restarted (a process crash keeps it)."""

    files: FileSystem
    clock: Clock
    random: random.Random
    boot_id: str
    name: str = "localhost"
    pid: int = 0
    descriptors_max: int = 1 << 20
    """File descriptors this process may have open, sockets included."""
    processes: Processes | None = None
    """Helper processes; None on a machine that has none: their work is then done in the executor."""
