"""`make interop`: runs the parts that this machine has the programs for, and names each missing one in one line.

REQUIRE_ALL=1 in the environment makes a missing part an error. Arguments go to pytest.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from peers import PeerMissingError, go, java

from interop.compiled import go_program, java_classes

HERE = Path(__file__).parent


def prepare_java() -> None:
    """Fetch Kafka's jars and compile `java/`."""
    java()
    java_classes()


def prepare_go() -> None:
    """Fetch the modules and compile `go/`."""
    go()
    go_program("franz")


PARTS: dict[str, Callable[[], None]] = {
    "kafka_tools": prepare_java,
    "java_clients": prepare_java,
    "go_clients": prepare_go,
}


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: pytest's, or 1 when a part is missing that must be there."""
    missing = {part: reason for part in PARTS if (reason := _missing(part))}
    for part, reason in missing.items():
        print(f"interop: {part} is not run: {reason}", flush=True)
    if missing and os.environ.get("REQUIRE_ALL") == "1":
        return 1
    ready = [str(HERE / part) for part in PARTS if part not in missing]
    if not ready:
        return 0
    return subprocess.call([sys.executable, "-m", "pytest", *ready, *arguments])


def _missing(part: str) -> str:
    """Why a part cannot run; empty when it can."""
    try:
        PARTS[part]()
    except PeerMissingError as error:
        return str(error)
    except subprocess.CalledProcessError as error:
        return f"{' '.join(map(str, error.cmd[:2]))} failed"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
