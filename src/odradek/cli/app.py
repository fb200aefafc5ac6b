"""The root command: finds the command group that was typed, loads it alone, and turns every end into an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from odradek.cli.errors import CommandError, ExitCode, describe, tell
from odradek.cli.options import AsJson, Bootstrap
from odradek.cli.session import Defaults

# Command name -> module that holds its Typer `app`, in the order that --help shows.
_COMMANDS = {
    "start": "odradek.cli.start",
    "status": "odradek.cli.status",
    "topic": "odradek.cli.topic",
    "produce": "odradek.cli.produce",
    "consume": "odradek.cli.consume",
    "group": "odradek.cli.group",
    "config": "odradek.cli.config",
    "cluster": "odradek.cli.cluster",
    "log": "odradek.cli.log",
    "sql": "odradek.cli.sql",
    "import": "odradek.cli.import_",
    "snapshot": "odradek.cli.snapshot",
    "view": "odradek.cli.view",
    "kappa": "odradek.cli.kappa_up",
    "bench": "odradek.cli.bench",
    "demo": "odradek.cli.demo",
}

# Typer carries its own copy of Click in newer releases and uses the package in older ones; both have this ancestor.
_ParseError: type[Exception] = typer.BadParameter.__mro__[2]


_WORDS = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it must be a whole number",
    "Input should be a valid number, unable to parse string as a number": "it must be a number",
    "Input should be": "it must be",
}


class _LazyGroup(TyperGroup):
    """Imports a command group's module when it is named: `odradek start` must not pay for the others."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Typer suggests the nearest names from the keys of this mapping; get_command never reads its values.
        self.commands = dict.fromkeys(_COMMANDS)  # type: ignore[assignment]

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            return None
        command = typer.main.get_command(importlib.import_module(_COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Caught here, before Click makes its own exit code 1 of it.
            raise CommandError("output closed", ExitCode.OUTPUT_CLOSED) from error
        except KeyboardInterrupt as error:
            raise CommandError("interrupted", ExitCode.INTERRUPTED) from error


root = typer.Typer(
    name="odradek",
    cls=_LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _show_version(value: bool) -> None:
    if value:
        from odradek import __version__

        typer.echo(f"odradek {__version__}")
        raise typer.Exit


@root.callback()
def _defaults(
    ctx: typer.Context,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The Kafka you pip install: a persistent, partitioned log, and the tools to use it.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 141 output closed by its reader, 143 terminated.
    """
    ctx.obj = Defaults(bootstrap, as_json)


def run(arguments: list[str]) -> int:
    """Run one command line.

    Returns:
        The process's exit code. Whatever goes wrong has been told in one line on stderr.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = root(args=arguments, prog_name="odradek", standalone_mode=False)
        sys.stdout.flush()
    except CommandError as error:
        return _ended(error)
    except BrokenPipeError:
        return _ended(CommandError("output closed", ExitCode.OUTPUT_CLOSED))
    except (KeyboardInterrupt, typer.Abort):
        return _ended(CommandError("interrupted", ExitCode.INTERRUPTED))
    except SystemExit as error:
        return int(error.code or ExitCode.OK)
    except _ParseError as error:
        return _usage(error)
    except Exception as error:
        return _unexpected(error)
    return int(code or ExitCode.OK)


def _ended(error: CommandError) -> int:
    if error.exit_code is ExitCode.OUTPUT_CLOSED:
        # The interpreter flushes stdout once more at exit: give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif error.exit_code is ExitCode.INTERRUPTED:
        sys.stderr.write("\n" if sys.stderr.isatty() else "")
    else:
        tell(str(error))
    return int(error.exit_code)


def _usage(error: Any) -> int:
    message = _plain(error.format_message())
    if "\n" in message or not message:
        # A command group named alone: the message is its help, or empty when Rich has printed that already.
        sys.stderr.write(message and message + "\n")
        return int(ExitCode.USAGE)
    path = error.ctx.command_path if error.ctx else "odradek"
    ending = "" if message.endswith((".", "?")) else "."
    sys.stderr.write(f"{path}: {message}{ending} Try `{path} --help`.\n")
    return int(ExitCode.USAGE)


def _plain(message: str) -> str:
    """Typer's words for a bad value, without those of the library that checked it."""
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return " ".join(message.split()) if message.startswith("Missing") else message


def _unexpected(error: Exception) -> int:
    if os.environ.get("ODRADEK_TRACEBACK"):
        raise error
    known = isinstance(error, (OSError, ValueError)) or type(error).__module__.startswith(("confluent_kafka", "cimpl"))
    text = describe(error)
    tell(text if known else f"unexpected {type(error).__name__}: {text} (ODRADEK_TRACEBACK=1 shows where)")
    return int(ExitCode.FAILED)


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(int(ExitCode.TERMINATED))
