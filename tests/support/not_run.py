"""Tests that the machine does not allow: never silently absent.

`not_run(reason)` skips a test, and the end of pytest's output lists it. With REQUIRE_ALL=1 in the environment it fails
instead: a machine that is meant to run everything has no excuse.
"""

import os
from typing import NoReturn

import pytest

PREFIX = "NOT RUN: "


def not_run(reason: str) -> NoReturn:
    """End the test that calls it: this machine cannot run it, for this reason."""
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{PREFIX}{reason} (and REQUIRE_ALL=1 demands it)", pytrace=False)
    pytest.skip(f"{PREFIX}{reason}")


def summarise(reporter: pytest.TerminalReporter) -> None:
    """The section at the end: which tests were not run, and why. Nothing when all were."""
    lines = []
    for report in reporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if PREFIX in reason:
            lines.append(f"{report.nodeid}: {reason.partition(PREFIX)[2]}")
    if lines:
        reporter.section("not run on this machine", yellow=True)
        for line in lines:
            reporter.write_line(line)
