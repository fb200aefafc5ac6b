"""The command as users run it: a process of its own, against a real broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from odradek.testing import BrokerProcess


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs `odradek ...` with a broker's address in the environment."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            **os.environ,
            "ODRADEK_BOOTSTRAP": self.bootstrap,
            "COLUMNS": "200",
            "PYTHONFAULTHANDLER": "1",
            **variables,
        }

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "odradek", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**variables),
        )

    def __call__(self, *arguments: str, stdin: str | bytes = b"", **variables: str) -> Result:
        """Run a command to its end."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(stdin.encode() if isinstance(stdin, str) else stdin, timeout=60)
        return Result(process.returncode, out.decode(), err.decode())

    def ok(self, *arguments: str, stdin: str | bytes = b"") -> Result:
        """Run a command that must succeed and say nothing on stderr."""
        result = self(*arguments, stdin=stdin)
        assert (result.code, result.err) == (0, "")
        return result

    def fails(self, *arguments: str, code: int = 1, stdin: str | bytes = b"") -> str:
        """Run a command that must fail with one line on stderr; returns the line."""
        result = self(*arguments, stdin=stdin)
        assert result.code == code, result
        assert result.err.count("\n") == 1, result.err
        return result.err.strip()


@pytest.fixture(scope="session")
def cli(odradek_broker: BrokerProcess) -> Cli:
    return Cli(odradek_broker.bootstrap)


@pytest.fixture
def topic(odradek_topic: str) -> str:
    """A new topic with one partition."""
    return odradek_topic


@pytest.fixture
def group(odradek_topic: str) -> str:
    """A group name that no other test uses."""
    return f"group-of-{odradek_topic}"


@pytest.fixture
def consumed(cli: Cli, topic: str) -> Callable[..., list[dict[str, Any]]]:
    """Reads the topic as JSON objects."""

    def read(*options: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in cli.ok("consume", topic, "--json", *options).out.splitlines()]

    return read
