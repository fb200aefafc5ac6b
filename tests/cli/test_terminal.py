"""What a person at a terminal sees beside the records, what a pipe does not get, and Ctrl-C."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cli.conftest import Cli

ESCAPE = b"\x1b"
REDRAW = b"\r\x1b[K"
RECORDS = b"a record\n" * 1000


class Terminal:
    """A pseudo-terminal: `end` is what a process is given."""

    def __init__(self, ours: int, end: int) -> None:
        self._ours = ours
        self.end = end

    def shown(self) -> bytes:
        """Everything written to it, once no process has it open any more."""
        os.close(self.end)
        self.end = -1
        found = b""
        while True:
            try:
                chunk = os.read(self._ours, 65536)
            except OSError:  # Linux: the other end was closed.
                return found
            if not chunk:
                return found
            found += chunk


@contextmanager
def terminal() -> Iterator[Terminal]:
    ours, end = pty.openpty()
    opened = Terminal(ours, end)
    try:
        yield opened
    finally:
        os.close(ours)
        if opened.end >= 0:
            os.close(opened.end)


def run(cli: Cli, *arguments: str, **streams: Any) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "odradek", *arguments]
    return subprocess.run(command, env=cli.environment(), timeout=60, check=True, **streams)


def test_produce_shows_on_a_terminal_how_far_it_is(cli: Cli, topic: str) -> None:
    with terminal() as screen:
        ended = run(cli, "produce", topic, input=RECORDS, stdout=subprocess.PIPE, stderr=screen.end)
        shown = screen.shown()
    assert shown.startswith(REDRAW + b"sent ")
    assert b"sent 1,000 records, " in shown.split(REDRAW)[-1]
    assert shown.endswith(b"/s\r\n")
    assert ended.stdout == b""


def test_consume_shows_on_a_terminal_how_far_it_is_and_keeps_it_out_of_the_records(cli: Cli, topic: str) -> None:
    run(cli, "produce", topic, input=RECORDS)
    with terminal() as screen:
        ended = run(cli, "consume", topic, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=screen.end)
        shown = screen.shown()
    assert ended.stdout == RECORDS
    assert b"read 1,000 of 1,000 records, " in shown.split(REDRAW)[-1]


def test_records_on_a_terminal_are_not_mixed_with_progress(cli: Cli, topic: str) -> None:
    run(cli, "produce", topic, input=b"a record\n")
    with terminal() as screen:
        run(cli, "consume", topic, stdin=subprocess.DEVNULL, stdout=screen.end, stderr=screen.end)
        assert screen.shown() == b"a record\r\n"


@pytest.mark.parametrize("command", ["produce", "consume"])
def test_no_control_code_is_written_to_what_is_no_terminal(cli: Cli, topic: str, command: str) -> None:
    ended = run(cli, command, topic, input=RECORDS, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert ESCAPE not in ended.stdout
    assert ended.stderr == b""


def interrupted(process: "subprocess.Popen[bytes]") -> tuple[int, bytes]:
    """Ctrl-C: its group gets the signal, as from a terminal. Exit code and stderr."""
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def start(cli: Cli, *arguments: str) -> "subprocess.Popen[bytes]":
    """As the leader of a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "odradek", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli.environment(),
        start_new_session=True,
    )


def test_ctrl_c_ends_a_produce_that_waits_for_its_pipe_with_130(cli: Cli, topic: str) -> None:
    sender = start(cli, "produce", topic)
    assert sender.stdin is not None
    sender.stdin.write(b"first\n" * 10_000)
    sender.stdin.flush()
    reader = cli.start("consume", topic, "--follow", "-n", "1")
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"first\n"
    reader.communicate(timeout=60)
    assert interrupted(sender) == (130, b"")


def test_ctrl_c_ends_a_member_of_a_group_with_130_and_commits_what_was_written(
    cli: Cli, topic: str, group: str
) -> None:
    cli.ok("produce", topic, stdin="1\n")
    member = start(cli, "consume", topic, "-g", group, "--follow")
    assert member.stdout is not None
    assert member.stdout.readline() == b"1\n"
    assert interrupted(member) == (130, b"")
    [described] = cli.ok("group", "describe", group, "--json").json["groups"]
    assert (described["state"], described["lag"]) == ("Empty", 0)


@pytest.mark.real_broker
def test_ctrl_c_ends_the_demo_with_130_and_its_broker_with_it(cli: Cli) -> None:
    demo = start(cli, "demo")
    assert demo.stdout is not None
    first = demo.stdout.readline().decode()
    assert first.startswith("a broker of its own is on ")
    address = first.split()[7].rstrip(",")
    while b"stored" not in demo.stdout.readline():
        pass
    code, err = interrupted(demo)
    assert (code, err) == (130, b"")
    assert "no broker at" in Cli(address).fails("status")
