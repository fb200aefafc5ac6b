"""Kafka's command line tools, called one after the other in one JVM (`java/ToolRunner.java`)."""

import select
import struct
import subprocess
import time
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from peers import java, kafka_classpath, kafka_command
from peers.distribution import LOGGING

from interop.compiled import java_classes

CONSUMER_GROUPS = "org.apache.kafka.tools.consumer.group"
MAIN_CLASSES = {
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "kafka-cluster": "org.apache.kafka.tools.ClusterTool",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-share-consumer": "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    "kafka-consumer-groups": f"{CONSUMER_GROUPS}.ConsumerGroupCommand",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-delegation-tokens": "org.apache.kafka.tools.DelegationTokenCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-e2e-latency": "org.apache.kafka.tools.EndToEndLatency",
    "kafka-features": "org.apache.kafka.tools.FeatureCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka-replica-verification": "org.apache.kafka.tools.ReplicaVerificationTool",
    "kafka-share-groups": f"{CONSUMER_GROUPS}.ShareGroupCommand",
    "kafka-streams-groups": "org.apache.kafka.tools.streams.StreamsGroupCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
}
"""The name of each tool's script, which Maven Central does not hold, and the class it starts."""

OWN_JVM = {"kafka-verifiable-consumer", "kafka-verifiable-producer"}
"""Tools that print their summary while their JVM ends."""

QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
"""A JVM that lives for seconds gains nothing from its second compiler and parallel collectors."""

TOOL_TIMEOUT_S = 60.0


class ToolTimeoutError(Exception):
    """A tool did not end in time; its JVM was killed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of stdout that are not empty, without trailing blanks."""
        return [line.rstrip() for line in self.out.splitlines() if line.strip()]

    @property
    def rows(self) -> list[list[str]]:
        """A table printed on stdout: the words of each line, its heading first."""
        return [line.split() for line in self.lines]

    @property
    def text(self) -> str:
        """stdout and stderr."""
        return self.out + self.err


class ToolRunner:
    """The JVM that runs tools. It starts with the first call."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, tool: str, arguments: list[str], *, stdin: bytes = b"", timeout_s: float = TOOL_TIMEOUT_S) -> Outcome:
        """Run one tool to its end.

        Raises:
            ToolTimeoutError: It did not end within `timeout_s`.
        """
        if tool in OWN_JVM:
            return _run_alone(tool, arguments, timeout_s)
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        words = [argument.encode() for argument in arguments]
        parts = [_with_length(MAIN_CLASSES[tool].encode()), struct.pack(">i", len(words)), *map(_with_length, words)]
        process.stdin.write(b"".join([*parts, _with_length(stdin)]))
        process.stdin.flush()
        try:
            return _read_outcome(process.stdout, time.monotonic() + timeout_s)
        except TimeoutError:
            self.close()
            raise ToolTimeoutError(f"{tool} {' '.join(arguments)} did not end within {timeout_s:g} s") from None

    def close(self) -> None:
        """End the JVM."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        classes = f"{java_classes()}:{kafka_classpath()}"
        command = [java(), "-Xmx384m", LOGGING, *QUICK_START, "-cp", classes, "ToolRunner"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return self._process


def _run_alone(tool: str, arguments: list[str], timeout_s: float) -> Outcome:
    command = kafka_command(MAIN_CLASSES[tool], *arguments, options=QUICK_START)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise ToolTimeoutError(f"{tool} {' '.join(arguments)} did not end within {timeout_s:g} s") from None
    return Outcome(done.returncode, done.stdout, done.stderr)


def _with_length(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _read_outcome(source: IO[bytes], deadline: float) -> Outcome:
    code = _read_int(source, deadline)
    out = _read(source, _read_int(source, deadline), deadline)
    err = _read(source, _read_int(source, deadline), deadline)
    return Outcome(code, out.decode(), err.decode())


def _read_int(source: IO[bytes], deadline: float) -> int:
    value: int = struct.unpack(">i", _read(source, 4, deadline))[0]
    return value


def _read(source: IO[bytes], size: int, deadline: float) -> bytes:
    found = bytearray()
    while len(found) < size:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0 or not select.select([source], [], [], remaining_s)[0]:
            raise TimeoutError
        chunk = source.read(size - len(found))
        if not chunk:
            raise EOFError("the JVM that runs the tools has ended")
        found += chunk
    return bytes(found)
