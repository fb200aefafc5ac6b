"""Log lines as people and collectors read them."""

import json
import logging
import sys

from odradek.observe.logging import JsonFormatter, TextFormatter


def record(message: str, *arguments: object, failed: bool = False) -> logging.LogRecord:
    info = None
    if failed:
        try:
            raise ValueError("bad\nvalue")
        except ValueError:
            info = sys.exc_info()
    made = logging.LogRecord("odradek.log", logging.WARNING, "f.py", 1, message, arguments, info)
    made.created = 1_000_000_000.5
    return made


def test_text_has_time_level_place_and_message() -> None:
    assert TextFormatter().format(record("lost %d", 3)) == "2001-09-09T01:46:40.500Z WARNING odradek.log: lost 3"


def test_json_is_one_object_on_one_line() -> None:
    line = JsonFormatter().format(record("two\nlines", failed=True))
    assert "\n" not in line
    found = json.loads(line)
    assert {name: found[name] for name in ("time", "level", "logger", "message")} == {
        "time": "2001-09-09T01:46:40.500Z",
        "level": "WARNING",
        "logger": "odradek.log",
        "message": "two\nlines",
    }
    assert "ValueError: bad\nvalue" in found["exception"]


def test_json_without_an_exception_has_none() -> None:
    assert "exception" not in json.loads(JsonFormatter().format(record("fine")))


def test_one_of_several_brokers_says_which_it_is() -> None:
    assert TextFormatter(2).format(record("x")) == "2001-09-09T01:46:40.500Z WARNING broker-2 odradek.log: x"
    assert json.loads(JsonFormatter(2).format(record("x")))["broker"] == 2
    assert "broker" not in json.loads(JsonFormatter().format(record("x")))
