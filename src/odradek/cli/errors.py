"""Failures as the command line tells them: one line on stderr that says what to do, and an exit code."""

from __future__ import annotations

import sys
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's end means to a script (docs/cli.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141
    TERMINATED = 143


class CommandError(Exception):
    """A command that failed, told in one line for the person who typed it."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UsageError(CommandError):
    """Arguments that do not fit together, found after each was parsed by itself."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)


# What a person can do about an answer of the broker, by the protocol's error name (librdkafka's spelling).
_HINTS = {
    "UNKNOWN_TOPIC_OR_PART": "see `odradek topic list`",
    "_UNKNOWN_TOPIC": "see `odradek topic list`",
    "_UNKNOWN_PARTITION": "see `odradek topic describe`",
    "TOPIC_ALREADY_EXISTS": "--if-not-exists accepts it as it is",
    "NON_EMPTY_GROUP": "stop its consumers first",
    "GROUP_ID_NOT_FOUND": "see `odradek group list`",
    "_TRANSPORT": "is the broker up? see `odradek status`",
    "_ALL_BROKERS_DOWN": "is the broker up? see `odradek status`",
    "_TIMED_OUT": "the broker did not answer in time",
    "KAFKA_STORAGE_ERROR": "the broker's disk is full or failing; see its log",
}


def describe(error: object) -> str:
    """One line for anything that went wrong; librdkafka's errors get the hint that fits."""
    from odradek.cli.kafka import KafkaError, KafkaException

    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        error = error.args[0]
    if isinstance(error, KafkaError):
        text = error.str().rstrip(".")
        hint = _HINTS.get(error.name())
        return _one_line(f"{text}: {hint}" if hint else text)
    if isinstance(error, OSError) and error.strerror:
        return _one_line(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    return _one_line(str(error) or type(error).__name__)


def tell(message: str) -> None:
    """Write one line to stderr, as every failure is told."""
    sys.stderr.write(f"odradek: {_one_line(message)}\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())
