"""What tests of several directories share: a real broker process; the list of tests this machine could not run."""

import os
import signal
from collections.abc import Iterator

import hypothesis
import pytest

from odradek.testing import BrokerProcess
from tests.support import not_run

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.register_profile("random", print_blob=True, deadline=None)
hypothesis.settings.load_profile("random" if os.environ.get("ODRADEK_RANDOM") else "fixed")
"""A run of the tests draws the same examples each time; the soak draws new ones."""


def pytest_configure() -> None:
    """Ctrl-C ends a process here even where the shell that started the tests in its background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    not_run.summarise(terminalreporter)


@pytest.fixture(scope="module")
def broker_address() -> Iterator[tuple[str, int]]:
    """Host and port of a fresh broker with node id 1, one for each module that asks."""
    with BrokerProcess(settings={"group.initial.rebalance.delay.ms": 0}, arguments=["--node-id", "1"]) as broker:
        host, port = broker.bootstrap.rsplit(":", 1)
        yield host, int(port)
