"""`python -m odradek.supervisor.worker`: one of several brokers, as its supervisor starts it.

It lives no longer than the supervisor, which has its metadata: it is killed when that dies. Ctrl-C in the terminal is
for the supervisor alone.
"""

import os
import signal
import sys
import threading

from odradek.broker.options import ReadyInfo
from odradek.broker.server import StartError, run
from odradek.host.processes import die_with_parent
from odradek.supervisor.protocol import Report, decode_order, encode_report


def main() -> int:
    os.setsid()
    die_with_parent()
    with os.fdopen(0, "rb", buffering=0, closefd=False) as orders:
        order = orders.readline()
    if not order:
        return 1  # The supervisor died before it could say anything.
    options = decode_order(order)
    threading.Thread(target=_end_with_supervisor, daemon=True, name="supervisor").start()
    try:
        return run(options, _report_ready)
    except StartError as error:
        _report(Report(refused=str(error)))
        return 1


def _report_ready(info: ReadyInfo) -> None:
    _report(Report(ready=info))


def _report(report: Report) -> None:
    """Nothing else must ever be written there: nobody reads it."""
    os.write(1, encode_report(report))
    os.dup2(2, 1)


def _end_with_supervisor() -> None:
    """Also where the system kills no process with its parent, and for a parent that died before it was told to."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
