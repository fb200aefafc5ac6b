"""What brokers' processes use, helper processes included, as the kernel counts it. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processes(*pids: int) -> list[int]:
    """The processes and everything they started that still runs, each after what started it."""
    found = list(pids)
    for each in found:
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            try:
                started = [int(child) for child in children.read_text().split()]
            except OSError:
                continue
            found.extend(child for child in started if child not in found)
    return found


def cpu_s(*pids: int) -> float:
    """Processor time, user and system, of the processes and of their helpers, those that have ended included."""
    ticks = sum(_ticks(each) for each in processes(*pids))
    return ticks / _TICKS_PER_S


def resident_mb(*pids: int) -> float:
    """Memory that is in RAM, in 10^6 bytes; what several processes share counts for each of them."""
    return sum(_resident_kib(each) for each in processes(*pids)) * 1024 / 1e6


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def _resident_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
