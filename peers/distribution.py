"""Apache Kafka's jars: fetched once from Maven Central, used from `.peers/`."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from peers.programs import PEERS_DIRECTORY, PeerMissingError, java, maven

KAFKA_VERSION = os.environ.get("KAFKA_VERSION", "4.3.1")
"""The Apache Kafka release everything is compared with."""

DESCRIPTION = Path(__file__).parent / "kafka"
"""The pom that names the jars, and how they log."""

LOGGING = f"-Dlog4j2.configurationFile={DESCRIPTION / 'log4j2.properties'}"
"""The option for a JVM whose warnings shall go to stderr."""

FETCH_TIMEOUT_S = 900


def kafka_classpath(version: str = KAFKA_VERSION) -> str:
    """The class path that holds Kafka's server, tools and clients, and their logging; fetched when it is not there yet.

    Raises:
        PeerMissingError: Maven is missing or could not fetch the jars.
    """
    directory = PEERS_DIRECTORY / f"kafka-{version}"
    if not directory.exists():
        _fetch(version, directory)
    return f"{directory}/*"


def kafka_command(main_class: str, *arguments: str, heap_mb: int = 256, options: Sequence[str] = ()) -> list[str]:
    """The command line that runs one of Kafka's main classes, as `bin/kafka-run-class.sh` would.

    Args:
        main_class: For example `org.apache.kafka.tools.TopicCommand` or `kafka.Kafka`.
        heap_mb: The JVM's largest heap.
        options: More options for the JVM.
    """
    return [java(), f"-Xmx{heap_mb}m", LOGGING, *options, "-cp", kafka_classpath(), main_class, *arguments]


def _fetch(version: str, directory: Path) -> None:
    """Copy beside the final place and rename: an interrupted fetch leaves nothing half done."""
    PEERS_DIRECTORY.mkdir(exist_ok=True)
    with (PEERS_DIRECTORY / "fetch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            return
        partial = directory.with_name(f"{directory.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        _copy_jars(version, partial)
        partial.rename(directory)


def _copy_jars(version: str, target: Path) -> None:
    print(f"fetching Apache Kafka {version} from Maven Central ...", flush=True)
    pom = ["-f", str(DESCRIPTION / "pom.xml"), f"-Dkafka.version={version}"]
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    done = subprocess.run([maven(), "-q", "-B", *pom, *goal], capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
    if done.returncode != 0 or not target.is_dir():
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line] or ["no message"]
        raise PeerMissingError(f"Maven could not fetch Apache Kafka {version}: {lines[0]}")
