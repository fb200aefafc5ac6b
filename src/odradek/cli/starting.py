"""Runs the broker, or several, for `odradek start` and says what a person needs to know: ready, or why not."""

from __future__ import annotations

import os
import sys

from odradek.broker.options import ReadyInfo, ReadyWorker, StartOptions
from odradek.cli.errors import ExitCode, tell

LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def run_broker(options: StartOptions, *, as_json: bool) -> int:
    """Serve until stopped.

    Args:
        as_json: Report readiness as one JSON line: ReadyInfo's fields and `pid`.

    Returns:
        The process's exit code.
    """
    # Before the broker's modules: they import what Windows does not have.
    if sys.platform == "win32":
        tell("Windows is not supported: run it in WSL2")
        return int(ExitCode.FAILED)
    from odradek.broker.server import StartError

    if options.workers is None:
        from odradek.broker.server import run
    else:
        from odradek.supervisor.run import run

    try:
        return run(options, _write_ready_json if as_json else _write_ready)
    except StartError as error:
        tell(str(error))
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except Exception as error:
        if os.environ.get("ODRADEK_TRACEBACK"):
            raise
        tell(f"unexpected {type(error).__name__}: {error} (ODRADEK_TRACEBACK=1 shows where)")
    return int(ExitCode.FAILED)


def _write_ready(info: ReadyInfo) -> None:
    bold, plain = ("\033[1m", "\033[0m") if _has_colours() else ("", "")
    option = "" if info.advertise == "127.0.0.1:9092" else f" -b {info.advertise}"
    several = [f"  {f'broker {each.node_id}':<8} {_place(each, bold, plain)}" for each in info.brokers]
    where = f"with {len(several)} broker(s)" if several else f"on {_place(info, bold, plain)}"
    lines = [
        f"{bold}Odradek is ready{plain} {where}",
        *several,
        f"  data     {info.data_dir}",
        *(f"  metrics  http://{each.metrics}/metrics" for each in info.brokers or (info,) if each.metrics),
        f"  try      echo hello | odradek produce greetings{option}",
        f"           odradek consume greetings{option}",
        "  stop     Ctrl-C",
    ]
    _write("\n".join(lines) + "\n")


def _place(info: ReadyInfo | ReadyWorker, bold: str, plain: str) -> str:
    """Where it listens, and what clients are told if that is another address."""
    told = f", clients are told {info.advertise}" if info.advertise != info.listen else ""
    return f"{bold}{info.listen}{plain}{told}"


def _write_ready_json(info: ReadyInfo) -> None:
    import dataclasses
    import json

    _write(json.dumps({**dataclasses.asdict(info), "pid": os.getpid()}) + "\n")


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads the start block any more: the broker runs all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
