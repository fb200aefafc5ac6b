"""The command line: one module per command group, each loaded only when it is used.

Talks to brokers over the wire like any client (confluent-kafka). Two commands are different: `start` runs the broker
and `log` reads segment files. Imports `odradek.broker`, `odradek.log`, `odradek.wire`, `odradek.testing`,
`odradek.balancing` and `odradek.demo`, each inside the command that needs it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn


def main() -> None:
    """Entry point of the command `odradek` and of `python -m odradek`."""
    # kio offers Hypothesis strategies and imports the `hypothesis` package for them when it is installed: a second
    # and 200 MB that no command needs. A None entry makes that import fail, which kio takes as "not installed".
    sys.modules.setdefault("hypothesis", None)  # type: ignore[arg-type]
    from odradek.cli import quick_start

    if (plain_start := quick_start.parse(sys.argv[1:])) is not None:
        from odradek.cli.starting import run_broker

        sys.exit(run_broker(plain_start[0], as_json=plain_start[1]))
    from odradek.cli.app import run

    _leave(run(sys.argv[1:]))


def _leave(code: int) -> NoReturn:
    """End without the interpreter's teardown: a thread of librdkafka that calls into it then crashes the process."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
