"""The views of a definition, each with its state file, brought up to date again and again."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from odradek.kappa.decoding import connect
from odradek.kappa.definition.model import Definition
from odradek.kappa.errors import KappaError
from odradek.kappa.views.engine.inputs import Inputs, state_path
from odradek.kappa.views.plan import ViewPlan
from odradek.kappa.views.relations import compile_defined

logger = logging.getLogger(__name__)


class RunningView(NamedTuple):
    """`connection` owns the state file; readers take cursors of it."""

    plan: ViewPlan
    connection: duckdb.DuckDBPyConnection
    inputs: Inputs


class Views:
    """Raises KappaError for a view that cannot be compiled, an input that is not there, a state that another owns."""

    def __init__(
        self, settings: Mapping[str, Any], definition: Definition, home: Path, directory: Path, memory_mb: int
    ) -> None:
        """`home`: what paths of the definition are relative to; `directory`: of the state files."""
        directory.mkdir(parents=True, exist_ok=True)
        self.running: dict[str, RunningView] = {}
        share = max(memory_mb // max(len(definition.views), 1), 1)
        for name in definition.views:
            plan = compile_defined(definition, name)
            connection = _opened(state_path(directory, name), share, directory)
            self.running[name] = RunningView(plan, connection, Inputs(settings, definition, home, plan, connection))

    def catch_up(self) -> int:
        """Every view reads what its inputs hold now; how many records that were in all."""
        return sum(each.inputs.catch_up() for each in self.running.values())

    def close(self) -> None:
        for each in self.running.values():
            each.connection.close()


def _opened(path: Path, memory_mb: int, directory: Path) -> duckdb.DuckDBPyConnection:
    """A file that cannot be read is made anew: what is in it can be computed again."""
    spill_to = directory / f"{path.stem}.spill"
    try:
        return connect(str(path), memory_mb=memory_mb, spill_to=spill_to)
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise KappaError(f"{path} is in use by another process") from error
        aside = path.with_suffix(".unreadable")
        logger.warning("%s cannot be read and is made anew; it is kept as %s: %s", path, aside, error)
        path.replace(aside)
        path.with_suffix(".duckdb.wal").unlink(missing_ok=True)
        return connect(str(path), memory_mb=memory_mb, spill_to=spill_to)
