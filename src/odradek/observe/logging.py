"""Log lines on stderr: text for people, one JSON object a line for collectors."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

FORMATS = ("text", "json")


class TextFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO    odradek.log.manager: message`, a traceback below when there is one.

    Of several brokers that write to one place, each says `broker-2` before the logger's name.
    """

    def __init__(self, broker: int | None = None) -> None:
        label = "" if broker is None else f"broker-{broker} "
        super().__init__(f"%(asctime)s %(levelname)-7s {label}%(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """ISO 8601 in UTC with milliseconds."""
        return _timestamp(record)


class JsonFormatter(logging.Formatter):
    """An object with `time`, `level`, `logger`, `message`, after an exception `exception`, and `broker` of several."""

    def __init__(self, broker: int | None = None) -> None:
        super().__init__()
        self._label = {} if broker is None else {"broker": broker}

    def format(self, record: logging.LogRecord) -> str:
        """One line without line breaks."""
        line = {
            "time": _timestamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self._label,
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure(log_format: str, level: str, stream: TextIO | None = None, *, broker: int | None = None) -> None:
    """Send every log record of the process to a stream.

    Args:
        log_format: One of FORMATS.
        level: DEBUG, INFO, WARNING or ERROR.
        stream: None for stderr.
        broker: Which of several brokers this is that write to the same stream.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(broker) if log_format == "json" else TextFormatter(broker))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What a log collector cannot take must not stop the broker or fill the log with tracebacks about itself.
    logging.raiseExceptions = False


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
