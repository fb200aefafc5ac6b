"""A Java consumer in a group (`java/GroupMember.java`), in a process of its own."""

import subprocess
import threading
from types import TracebackType
from typing import Self

from peers import java, kafka_classpath
from peers.distribution import LOGGING

from interop.compiled import java_classes
from interop.runner import QUICK_START

LEAVE_TIMEOUT_S = 30.0
ASSIGNORS = {
    "range": "RangeAssignor",
    "roundrobin": "RoundRobinAssignor",
    "sticky": "StickyAssignor",
    "cooperative-sticky": "CooperativeStickyAssignor",
}
"""Names as groups carry them, and the Java client's classes."""


def java_command(main_class: str, *arguments: str) -> list[str]:
    """The command line of a program of `interop/java`."""
    classes = f"{java_classes()}:{kafka_classpath()}"
    return [java(), "-Xmx128m", LOGGING, *QUICK_START, "-cp", classes, main_class, *arguments]


class JavaMember:
    """Joins on entering the `with` block and leaves at its end, or when told to."""

    def __init__(self, bootstrap: str, group: str, topic: str, *, assignor: str) -> None:
        strategy = f"org.apache.kafka.clients.consumer.{ASSIGNORS[assignor]}"
        self._process = subprocess.Popen(
            java_command("GroupMember", bootstrap, group, topic, strategy),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        self.assignment: set[int] = set()
        """The partitions it owns now."""
        self.received: list[bytes] = []

    def leave(self) -> None:
        """Leave the group and end the process."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.write("leave\n")
            self._process.stdin.close()
        try:
            assert self._process.wait(LEAVE_TIMEOUT_S) == 0
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._process.kill()
            self._process.wait()
            self._reader.join()
        elif self._reader.is_alive():
            self.leave()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                word, _, rest = line.rstrip("\n").partition(" ")
                if word == "assigned":
                    self.assignment = {int(partition) for partition in rest.split(",") if partition}
                elif word == "record":
                    self.received.append(rest.encode())
