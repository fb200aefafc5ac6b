"""Failures as the command line tells them: one line on stderr that says what to do, and an exit code."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek.cli.kafka import KafkaError


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
    "TOPIC_EXCEPTION": "a name is 1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'",
    "TOPIC_ALREADY_EXISTS": "--if-not-exists accepts it as it is",
    "NON_EMPTY_GROUP": "stop its consumers first",
    "GROUP_ID_NOT_FOUND": "see `odradek group list`",
    "_TRANSPORT": "is the broker up? see `odradek status`",
    "_ALL_BROKERS_DOWN": "is the broker up? see `odradek status`",
    "_TIMED_OUT": "the broker did not answer in time",
    "KAFKA_STORAGE_ERROR": "the broker's disk is full or failing; see its log",
}
_COMPLETED = ("INVALID_CONFIG", "INVALID_REQUEST", "POLICY_VIOLATION")
_SOURCES = ("Failed while waiting for broker: ", "Failed while waiting for controller: ", "Broker: ", "Local: ")
"""Where librdkafka says an error comes from."""


def describe(error: object) -> str:
    """One line for anything that went wrong; librdkafka's errors get the hint that fits."""
    from odradek.cli.kafka import KafkaError, KafkaException

    if isinstance(error, KafkaException) and error.args and isinstance(error.args[0], KafkaError):
        error = error.args[0]
    if isinstance(error, KafkaError):
        return _one_line(_describe_answer(error))
    if isinstance(error, OSError) and error.strerror:
        return _one_line(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    return _one_line(str(error) or type(error).__name__)


def _describe_answer(error: KafkaError) -> str:
    text = error.str().rstrip(".")
    for source in _SOURCES:
        text = text.removeprefix(source)
    if hint := _HINTS.get(error.name()):
        return f"{text}: {hint}"
    if error.name() in _COMPLETED:
        from odradek.cli.allowed import with_what_is_allowed

        return with_what_is_allowed(text)
    return text


def tell(message: str) -> None:
    """Write one line to stderr, as every failure is told."""
    sys.stderr.write(f"odradek: {_one_line(message)}\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())
