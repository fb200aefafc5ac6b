"""Where a machine has a JDK, Maven and Go."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
PEERS_DIRECTORY = ROOT / ".peers"
"""Everything fetched or built; safe to delete at any time."""


class PeerMissingError(RuntimeError):
    """This machine lacks a program, or could not fetch one. The message is one line that says which."""


def java() -> str:
    """Path of `java`: JAVA_HOME's, else the one on the PATH."""
    return _of_jdk("java")


def javac() -> str:
    """Path of `javac`. A JRE alone does not have it."""
    return _of_jdk("javac")


def maven() -> str:
    """Path of `mvn`, which fetches Apache Kafka."""
    return _on_path("mvn", "Maven (`mvn`) is not installed")


def go() -> str:
    """Path of `go`."""
    return _on_path("go", "Go (`go`) is not installed")


def _of_jdk(name: str) -> str:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / name).exists():
        return str(Path(home) / "bin" / name)
    return _on_path(name, f"a JDK (`{name}`) is not installed")


def _on_path(name: str, otherwise: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise PeerMissingError(otherwise)
    return found
