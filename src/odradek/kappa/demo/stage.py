"""The demo's acts: live, replayed, as a batch; and what came of each."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from odradek.kappa.decoding import connect
from odradek.kappa.definition import Definition, load
from odradek.kappa.demo.comparing import Row, differences
from odradek.kappa.demo.sources import LIVE, REPLAYED, VIEWS, definition, flights_sql, tables
from odradek.kappa.errors import KappaError
from odradek.kappa.importing.options import ImportOptions, Limits
from odradek.kappa.importing.run import run_import
from odradek.kappa.querying import Query, ask
from odradek.kappa.querying.statement import read_statement
from odradek.kappa.quoting import quoted
from odradek.kappa.views.running import Views

PARTITIONS = 3
LOOK_S = 0.2
MEMORY_MB = 512
AIRLINES_SHOWN = 10


class Bar(NamedTuple):
    """Of the chart: an airline's flights so far and their mean delay (minutes)."""

    airline: str
    flights: int
    mean_delay: float | None


class Picture(NamedTuple):
    """How far it is: the act, rows sent of all, and the chart."""

    act: str
    sent: int
    rows: int
    bars: list[Bar]


class Verdict(NamedTuple):
    """Of one view: its rows, and how many differ from the batch's live and replayed."""

    view: str
    rows: int
    live_differs: int
    replay_differs: int


class Stage:
    """In a directory of its own, against a broker whose topics it makes. `days`: None for the whole year."""

    def __init__(self, bootstrap: str, archive: Path, directory: Path, days: int | None, speed: float | None) -> None:
        self._bootstrap, self._directory, self._speed = bootstrap, directory, speed
        self._settings = {"bootstrap.servers": bootstrap}
        self._flights = flights_sql(archive, directory, days)
        self._tables = tables(archive.parent)
        path = directory / "kappa.yaml"
        path.write_text(definition())
        self.definition: Definition = load(path)
        self.views: Views | None = None
        self._sent = (0, 0)

    def open(self) -> Views:
        """Makes the topics, fills the tables; then views can be served."""
        for topic, table in self._tables.items():
            self._import(topic, table.sql, key=table.key, partitions=1)
        for topic in (LIVE, REPLAYED):
            self._import(
                topic, f"{self._flights} LIMIT 0", key="tailnum", partitions=PARTITIONS, event_time="sched_dep"
            )
        self.views = Views(self._settings, self.definition, self._directory, self._directory / "state", MEMORY_MB)
        return self.views

    def play(self, show: Callable[[Picture], None]) -> list[Verdict]:
        """Raises KappaError."""
        assert self.views is not None
        self._stream("live", LIVE, self._speed, show)
        self._stream("replay", REPLAYED, None, show)
        return [self._compare(view) for view in VIEWS]

    def _stream(self, act: str, topic: str, speed: float | None, show: Callable[[Picture], None]) -> None:
        """An import in a thread beside, while the views follow."""
        failed: list[BaseException] = []

        def send() -> None:
            try:
                self._import(
                    topic, self._flights, key="tailnum", partitions=None, event_time="sched_dep", speed=speed, name=act
                )
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=send, name=act, daemon=True)
        thread.start()
        assert self.views is not None
        while True:
            is_over = not thread.is_alive()
            read = self.views.catch_up()
            show(Picture(act, *self._sent, self._bars("delay_by_airline" + ("" if topic == LIVE else "_replayed"))))
            if is_over and read == 0:
                break
            thread.join(LOOK_S)
        if failed:
            raise KappaError(str(failed[0])) from failed[0]

    def _import(
        self, topic: str, sql: str, *, key: str, partitions: int | None, event_time: str | None = None,
        speed: float | None = None, name: str = "tables",
    ) -> None:  # fmt: skip
        options = ImportOptions((), topic, sql=sql, key=(key,), event_time=event_time, name=f"{name}-{topic}")
        state = self._directory / "imports"
        told = self._note if speed is not None or name != "tables" else lambda done, total: None
        run_import(self._bootstrap, options, Limits(speed=speed), state, create_partitions=partitions, told=told)

    def _note(self, done: int, total: int) -> None:
        self._sent = (done, total)

    def _bars(self, view: str) -> list[Bar]:
        assert self.views is not None
        rows = self.views.running[view].connection.execute(
            "SELECT airline, sum(flights)::BIGINT, sum(mean_delay * flights) / sum(flights) FROM result "
            f"WHERE airline IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {AIRLINES_SHOWN}"
        )
        return [Bar(*row) for row in rows.fetchall()]

    def _compare(self, view: str) -> Verdict:
        batch = self._batch(view)
        live, replayed = self._rows(view), self._rows(f"{view}_replayed")
        return Verdict(view, len(batch), differences(live, batch), differences(replayed, batch))

    def _rows(self, view: str) -> list[Row]:
        assert self.views is not None
        running = self.views.running[view]
        columns = ", ".join(quoted(column) for column in running.plan.output)
        return running.connection.execute(f"SELECT {columns} FROM result").fetchall()

    def _batch(self, view: str) -> list[Row]:
        with connect(memory_mb=MEMORY_MB) as connection:
            query = Query(connection, self._settings, self.definition, self._directory)
            answer, _ = ask(query, read_statement(f"SELECT * FROM {quoted(view)}"))
            columns: list[list[Any]] = [column.to_pylist() for column in answer.read_all().columns]
        return list(zip(*columns, strict=True))
