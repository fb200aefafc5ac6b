"""What the commands of the Kappa layer share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from odradek.cli.errors import CommandError, UsageError, tell

if TYPE_CHECKING:
    from odradek.kappa.definition import Definition

Result = TypeVar("Result")

RETRY_S = 2.0
DEFAULT_DEFINITION = Path("kappa.yaml")
_EXTRA = ("duckdb", "pyarrow", "sqlglot", "pyiceberg", "jsonschema", "yaml", "starlette", "uvicorn")


@contextmanager
def kappa_errors() -> Iterator[None]:
    """Imports and errors of the Kappa layer as the command line tells them."""
    try:
        import duckdb

        from odradek.kappa.errors import KappaError

        try:
            yield
        except KappaError as error:
            raise CommandError(str(error)) from error
        except duckdb.OutOfMemoryException as error:
            raise CommandError("more memory is needed than --memory allows") from error
        except duckdb.Error as error:
            raise CommandError(str(error).splitlines()[0]) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in _EXTRA:
            raise
        raise UsageError(f"{error.name} is not installed: pip install 'odradek[kappa]'") from error


def tried_again(action: Callable[[], Result], otherwise: Result) -> Result:
    """For what goes on without end: a broker that does not answer is told, and asked again after RETRY_S."""
    from odradek.kappa.client.errors import LogError

    try:
        return action()
    except LogError as error:
        tell(f"{error}; trying again in {RETRY_S:g} s")
        time.sleep(RETRY_S)
        return otherwise


def read_definition(path: Path | None) -> Definition:
    """Of the file that was named, else of ./kappa.yaml, else an empty one."""
    from odradek.kappa.definition import Definition, load

    if path is None and not DEFAULT_DEFINITION.exists():
        return Definition()
    return load(path or DEFAULT_DEFINITION)


def definition_directory(path: Path | None) -> Path:
    """Paths in a definition are relative to where it is."""
    return (path or DEFAULT_DEFINITION).parent
