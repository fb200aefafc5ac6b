"""The real machine as a `Host`: the one place where operating system, wall clock and entropy enter a broker."""

import os
import random
import resource
import socket
from pathlib import Path

from odradek.host import Host, SystemClock
from odradek.host.posix import PosixFiles
from odradek.host.processes import PosixProcesses

DESCRIPTORS_WANTED = 65_536
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
        descriptors_max=raise_descriptor_limit(),
        processes=PosixProcesses(),
    )


def raise_descriptor_limit() -> int:
    """As many descriptors as the system lets this process have without asking anybody, up to what is ever useful."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(DESCRIPTORS_WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def boot_id() -> str:
    """The kernel's boot id; where there is none, one that never repeats, so that every stop counts as a power loss."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return f"unknown-{random.SystemRandom().getrandbits(64):016x}"
