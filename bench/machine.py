"""What a measurement ran on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def machine(data: Path) -> dict[str, str]:
    """The machine and the disk that holds the data, for people."""
    memory_kib = int(_line_of("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cores": f"{os.cpu_count()} x {_line_of('/proc/cpuinfo', 'model name')}",
        "memory": f"{memory_kib / (1 << 20):.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "disk": _file_system(data),
    }


def versions(kafka: str | None) -> dict[str, str]:
    """Of what was measured and of what measured it."""
    found = {"Odradek": f"{version('odradek')} ({_commit()})"}
    if kafka is not None:
        found |= {"Apache Kafka": kafka, "Java": _java()}
    return (
        found | {name: version(name) for name in ("uvloop", "confluent-kafka")} | {"Python": platform.python_version()}
    )


def _line_of(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown 0"


def _file_system(path: Path) -> str:
    """Type and device of the mount that the path is on."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    resolved = path.resolve()
    holding = [fields for fields in mounts if resolved.is_relative_to(fields[1])]
    device, _, kind = max(holding, key=lambda fields: len(fields[1]))[:3]
    return f"{kind} on {device}"


def _commit() -> str:
    return _output("git", "rev-parse", "--short", "HEAD") or "no checkout"


def _java() -> str:
    return _output("java", "-version").partition("\n")[0]


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()
