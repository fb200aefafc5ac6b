"""What the operating system knows of this process, under the names Prometheus' own clients use. Linux only."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from odradek.observe.metrics import Registry

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")


def register_process_metrics(registry: Registry, start_time_s: float) -> None:
    """Register memory, CPU, descriptors and the start time.

    Args:
        start_time_s: Seconds since 1970 when the process started.
    """
    registry.read_counter("process_cpu_seconds_total", "User and system CPU time spent in seconds.", _cpu_s)
    registry.read_gauge("process_start_time_seconds", "Start of the process since 1970.", lambda: start_time_s)
    if _STATM.exists():
        registry.read_gauge("process_resident_memory_bytes", "Resident memory size in bytes.", _resident_bytes)
        registry.read_gauge("process_open_fds", "Number of open file descriptors.", _open_descriptors)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    registry.read_gauge("process_max_fds", "Maximum number of open file descriptors.", lambda: limit)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _resident_bytes() -> float:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _open_descriptors() -> float:
    return sum(1 for _ in _DESCRIPTORS.iterdir())
