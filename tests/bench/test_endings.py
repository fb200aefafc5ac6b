"""However a bench ends, nothing of it is left: no broker, no helper of one, no directory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench.ending import end_processes, is_running

from odradek.benchmark import resources

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0
LONGER_THAN_THE_TEST_S = "600"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a bench of one row that does not end by itself, in a background job as shells start them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(row: str) -> subprocess.Popen[bytes]:
        options = ["--rows", row, "--seconds", LONGER_THAN_THE_TEST_S, "--no-kafka", "--memory-as-is"]
        ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "bench", *options, "--scratch", str(tmp_path)],
                    cwd=ROOT,
                    stdout=subprocess.DEVNULL,
                )
            )
        finally:
            signal.signal(signal.SIGINT, ignored)
        return started[-1]

    yield start
    for process in started:
        end_processes(process.pid)
        process.wait()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.real_broker
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(("row", "brokers"), [("small", 1), ("replicated-small", 3)])
def test_an_interrupted_bench_takes_everything_with_it(
    row: str, brokers: int, number: signal.Signals, bench: Callable[[str], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = bench(row)

    def is_measuring() -> bool:
        """The row's topic has begun."""
        assert process.poll() is None
        return len(list(tmp_path.glob("odradek-bench-*/odradek-*/**/odradek-bench-*-0/*.log"))) == brokers

    wait_until(is_measuring, "it did not begin to measure")
    ran = resources.processes(process.pid)
    assert len(ran) > brokers
    process.send_signal(number)
    assert process.wait(DEADLINE_S) == 128 + number
    assert not [pid for pid in ran if is_running(pid)]
    assert not os.listdir(tmp_path)


def test_processes_end_with_what_they_started() -> None:
    parent = subprocess.Popen(["sh", "-c", "sleep 600 & wait"])
    wait_until(lambda: len(resources.processes(parent.pid)) == 2, "the shell started nothing")
    ran = resources.processes(parent.pid)
    end_processes(parent.pid)
    assert not [pid for pid in ran if is_running(pid)]
    assert parent.wait() == -signal.SIGKILL
