"""A helper process: lines to it and from it, and its end."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from odradek.host.processes import NICENESS, PosixHelper, PosixProcesses

ECHO = """
import os
from odradek.host.processes import HelperInput, answer, become_helper
become_helper()
lines = HelperInput()
answer(b"%d %d" % (os.getpid(), os.nice(0)))
while line := lines.read_line():
    if line == b"exit":
        break
    answer(line)
"""


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that says who it is and then repeats what it is told."""
    (tmp_path / "echoing_helper.py").write_text(ECHO)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return "echoing_helper"


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 30))


async def started(module: str) -> tuple[PosixHelper, int, int]:
    helper = await PosixProcesses().start(module)
    assert isinstance(helper, PosixHelper)
    line = await helper.read_line()
    assert line is not None
    pid, niceness = map(int, line.split())
    return helper, pid, niceness


def test_lines_of_any_length_come_back_in_order(echo: str) -> None:
    async def scenario() -> None:
        helper, pid, niceness = await started(echo)
        assert pid == helper.pid
        assert niceness >= min(NICENESS, os.nice(0) + NICENESS)
        wanted = [b"a", b"b" * 300_000, b"c"]
        writing = asyncio.ensure_future(write_all(helper, wanted))
        assert [await helper.read_line() for _ in wanted] == wanted
        await writing
        await helper.stop()

    run(scenario())


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def write_all(helper: PosixHelper, lines: list[bytes]) -> None:
    for line in lines:
        await helper.write_line(line)


def test_the_end_of_a_helper_is_seen_and_writing_to_it_does_no_harm(echo: str) -> None:
    async def scenario() -> None:
        helper, _, _ = await started(echo)
        await helper.write_line(b"exit")
        assert await helper.read_line() is None
        await helper.write_line(b"anybody there?")
        await helper.stop()

    run(scenario())


def test_a_killed_helper_wakes_whoever_reads(echo: str) -> None:
    async def scenario() -> None:
        helper, pid, _ = await started(echo)
        reading = asyncio.ensure_future(helper.read_line())
        await asyncio.sleep(0)
        helper.kill()
        assert await reading is None
        await helper.stop()
        assert not is_there(pid)

    run(scenario())


def test_a_helper_that_is_stopped_is_gone(echo: str) -> None:
    async def scenario() -> None:
        helper, pid, _ = await started(echo)
        await helper.stop()
        assert not is_there(pid)

    run(scenario())
