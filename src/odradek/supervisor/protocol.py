"""What a supervisor and a worker say through the worker's pipes: one line each, as JSON.

The order is the first line of the worker's input, which then stays open: its end is the end of the supervisor. The
report is the only line of its output.
"""

from dataclasses import dataclass

import msgspec

from odradek.broker.options import ReadyInfo, StartOptions


@dataclass(frozen=True, slots=True)
class Report:
    """It serves, or why it never will (a line for whoever started it)."""

    ready: ReadyInfo | None = None
    refused: str | None = None


def encode_order(options: StartOptions) -> bytes:
    return msgspec.json.encode(options) + b"\n"


def decode_order(line: bytes) -> StartOptions:
    return msgspec.json.decode(line, type=StartOptions)


def encode_report(report: Report) -> bytes:
    return msgspec.json.encode(report) + b"\n"


def decode_report(line: bytes) -> Report:
    """Raises msgspec.MsgspecError for a worker that died while it wrote."""
    return msgspec.json.decode(line, type=Report)
