"""The real machine as a `Host`: the one place where operating system, wall clock and entropy enter a broker."""

import os
import random
import socket
from pathlib import Path

from odradek.host import Host, SystemClock
from odradek.host.posix import PosixFiles

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def real_host() -> Host:
    """The machine this process runs on."""
    return Host(
        files=PosixFiles(),
        clock=SystemClock(),
        random=random.SystemRandom(),
        boot_id=boot_id(),
        name=socket.gethostname(),
        pid=os.getpid(),
    )


def boot_id() -> str:
    """The kernel's boot id; where there is none, one that never repeats, so that every stop counts as a power loss."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return f"unknown-{random.SystemRandom().getrandbits(64):016x}"
