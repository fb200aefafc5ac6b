"""docs/interop.md: what was tried and what came of it, written from the tests that try it.

A test's name is the sentence of its row, its calls give the tools and options, and a marker says when the result is
something else than "works". A complete run compares the page with what it did, and so the page cannot go stale.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from peers import KAFKA_VERSION

PAGE = Path(__file__).parents[1] / "docs" / "interop.md"
ANSWERS_AS_KAFKA = "answers_as_kafka"
"""The result is an error, the same that Kafka gives."""
NOT_SUPPORTED = "not_supported"
"""The result is an error that Kafka would not give."""
PROPERTY = "tried"
Noted = tuple[str, str, list[str], str]
"""Tool, sentence, options and result, as a report carries them."""
OPTION = re.compile(r"--[a-z][a-z-]*")
SUBCOMMAND = re.compile(r"[a-z]+(-[a-z]+)*")
WITH_SUBCOMMANDS = {"kafka-cluster", "kafka-features", "kafka-metadata-quorum", "kafka-transactions"}
"""Tools whose first bare word names what they shall do."""

INTRODUCTION = f"""\
# Kafka's tools and other clients

What Apache Kafka {KAFKA_VERSION}'s own tools, its Java clients and two Go clients do with an Odradek broker.
`make interop` runs every row of this page against real broker processes and fails when the page does not
say what it did; `make interop ARGS=--write-table` writes it again. The tools are called by their main
classes, with the options named here.

"Works" means that exit code, output and effect are what Kafka's users expect: the same tests pass against
Apache Kafka {KAFKA_VERSION} itself (`INTEROP_BOOTSTRAP=host:port make interop`), but for the rows that say "not
supported". Odradek advertises only the APIs it has, so a tool that needs another one is told
`UnsupportedVersionException` by its own client, and nothing is half done.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One test and one of the tools it used."""

    tool: str
    what: str
    options: tuple[str, ...]
    result: str


class Tried:
    """Collects what one test used. The result travels in the report's user properties, also from a worker process."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def note(self, tool: str, words: Iterable[str]) -> None:
        """A tool was called with these arguments."""
        given = list(words)
        options = {word for word in given if OPTION.fullmatch(word)} - {"--bootstrap-server"}
        if tool in WITH_SUBCOMMANDS:
            options.add(next(word for word in given if SUBCOMMAND.fullmatch(word)))
        self._item.user_properties.append((PROPERTY, [tool, self._sentence(), sorted(options), self._result()]))

    def _sentence(self) -> str:
        name = getattr(self._item, "originalname", self._item.name)
        return str(name).removeprefix("test_").replace("_", " ")

    def _result(self) -> str:
        for marker, says in ((ANSWERS_AS_KAFKA, "answers as Kafka does: {}"), (NOT_SUPPORTED, "not supported: {}")):
            found = self._item.get_closest_marker(marker)
            if found is not None:
                return says.format(found.args[0])
        return "works"


class TableCheck:
    """Compares the page with a complete run, or writes it."""

    def __init__(self, config: pytest.Config) -> None:
        self._writes = bool(config.getoption("--write-table"))
        self._is_complete = not config.getoption("keyword") and not config.getoption("markexpr")
        self._noted: list[Noted] = []
        self._complaint: str | None = None

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._is_complete = self._is_complete and not items

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self._is_complete = False
        if report.when == "teardown":
            self._noted += [cast(Noted, value) for name, value in report.user_properties if name == PROPERTY]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput") or not self._noted or not (self._is_complete or self._writes):
            return
        page = render(rows_of(self._noted))
        if self._writes:
            PAGE.write_text(page)
        elif not PAGE.exists() or PAGE.read_text() != page:
            self._complaint = "docs/interop.md does not say what this run did: make interop ARGS=--write-table"
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._complaint:
            terminalreporter.write_line(self._complaint, red=True)


def rows_of(noted: Iterable[Noted]) -> list[Row]:
    """One row per tool, sentence and result, with all options its calls used together."""
    options: dict[tuple[str, str, str], set[str]] = {}
    for tool, what, used, result in noted:
        options.setdefault((tool, what, result), set()).update(used)
    return [Row(tool, what, tuple(sorted(used)), result) for (tool, what, result), used in sorted(options.items())]


def render(rows: list[Row]) -> str:
    """The page: one table per tool."""
    parts = [INTRODUCTION]
    for tool in sorted({row.tool for row in rows}):
        lines = [f"| {row.what} | {_code(row.options)} | {row.result} |" for row in rows if row.tool == tool]
        parts.append("\n".join([f"\n## {tool}\n", "| what | options | result |", "|---|---|---|", *lines, ""]))
    return "".join(parts)


def _code(options: tuple[str, ...]) -> str:
    return " ".join(f"`{option}`" for option in options)
