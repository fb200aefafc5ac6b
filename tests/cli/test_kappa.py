"""`odradek view` and `odradek kappa up`: views of a real broker's topics."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from odradek.testing import BrokerProcess
from tests.cli.conftest import Cli
from tests.kappa.support.topics import Settings, delete_before, fill, make

pytestmark = pytest.mark.real_broker

COUNT, KILLS = 20_000, 4
DEFINITION = """
topics:
  {stream}:
    schema: {{at: epoch_ms, carrier: varchar, n: bigint}}
    event_time: at
    lateness: 1s
    snapshot: {{iceberg: lake.flights}}
  {table}: {{schema: {{carrier: varchar, name: varchar}}, key: {{field: carrier, from: key}}, table: true}}
views:
  totals:
    sql: |
      SELECT TUMBLE(at, INTERVAL '10 seconds') AS w, a.name, count(*) AS c, sum(n) AS s
      FROM {stream} f LEFT JOIN {table} a USING (carrier) GROUP BY ALL
"""


def records(count: int) -> Iterator[tuple[str | None, str, int]]:
    """Of two partitions; a few come too late."""
    for each in range(count):
        at = each - (5_000 if each % 97 == 0 else 0)
        yield None, json.dumps({"at": at, "carrier": "XYZ"[each % 3], "n": each}), each % 2


def defined(cli: Cli, directory: Path, stream: str, count: int = COUNT) -> tuple[str, Settings]:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, stream, 2)
    make(settings, f"{stream}_airlines")
    fill(settings, stream, records(count))
    fill(settings, f"{stream}_airlines", [(key, json.dumps({"name": f"Air {key}"}), 0) for key in "XYZ"])
    (directory / "kappa.yaml").write_text(DEFINITION.format(stream=stream, table=f"{stream}_airlines"))
    return str(directory / "kappa.yaml"), settings


def live_rows(cli: Cli, definition: str) -> Any:
    """Of the result, after it has caught up."""
    cli.ok("kappa", "up", "--once", "-d", definition)
    process = cli.start("kappa", "up", "-d", definition, "--http", "127.0.0.1:0")
    try:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline().decode())
        assert address is not None
        return httpx2.get(f"{address[0]}/totals", params={"limit": 10_000}).json()["rows"]
    finally:
        process.terminate()
        process.communicate()


def batch_rows(cli: Cli, definition: str) -> Any:
    process = cli("view", "batch", "totals", "-d", definition, "--json")
    assert process.code == 0, process.err
    return process.json


def comparable(rows: Any) -> list[tuple[str, ...]]:
    return sorted((row["w"].replace("T", " "), str(row["name"]), str(row["c"]), str(row["s"])) for row in rows)


def test_killed_at_any_time_live_equals_batch(cli: Cli, tmp_path: Path) -> None:
    definition, settings = defined(cli, tmp_path, "kappa_killed")
    for kill in range(KILLS):
        process = cli.start("kappa", "up", "-d", definition, "--http", "127.0.0.1:0")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 * kill)  # Somewhere within what it does next, which is what is tried here.
        process.kill()
        process.communicate()
        fill(settings, "kappa_killed_airlines", [("X", json.dumps({"name": f"renamed {kill}"}), 0)])
    batch = comparable(batch_rows(cli, definition))
    assert batch == comparable(live_rows(cli, definition))
    assert sum(int(row[2]) for row in batch) == COUNT - len(range(97, COUNT, 97))  # The first of all is not late.
    assert f"renamed {KILLS - 1}" in {row[1] for row in batch}


def test_history_comes_from_the_snapshot_and_the_rest_from_the_log(cli: Cli, tmp_path: Path) -> None:
    definition, settings = defined(cli, tmp_path, "kappa_history", 2_000)
    before = comparable(batch_rows(cli, definition))
    cli.ok("snapshot", "-d", definition)
    delete_before(settings, "kappa_history", {0: 900, 1: 1000})
    assert comparable(batch_rows(cli, definition)) == before
    assert comparable(live_rows(cli, definition)) == before


def test_a_view_is_a_relation_and_is_listed(cli: Cli, tmp_path: Path) -> None:
    definition, _ = defined(cli, tmp_path, "kappa_listed", 100)
    (view,) = cli.ok("view", "list", "-d", definition, "--json").json
    assert (view["name"], view["inputs"]) == ("totals", ["kappa_listed", "kappa_listed_airlines"])
    answer = cli("sql", "select sum(c) as c from totals", "-d", definition, "--json")
    assert answer.json == [{"c": 99}]
    assert "1 row came too late for totals" in answer.err


def test_a_table_whose_rows_change_changes_the_view(cli: Cli, tmp_path: Path) -> None:
    definition, settings = defined(cli, tmp_path, "kappa_renamed", 300)
    assert {row["name"] for row in live_rows(cli, definition)} == {"Air X", "Air Y", "Air Z"}
    fill(settings, "kappa_renamed_airlines", [("X", None, 0), ("Y", '{"name":"Air Z"}', 0)])
    assert {row["name"] for row in live_rows(cli, definition)} == {None, "Air Z"}
    assert comparable(live_rows(cli, definition)) == comparable(batch_rows(cli, definition))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("view", "batch", "nope"), "there is no view nope in the definition; known are totals"),
        (
            ("kappa", "up", "--http", "0.0.0.0:8092"),
            "others can reach that address, so that ODRADEK_KAPPA_TOKEN must be set",
        ),
        (("kappa", "up", "--http", "8092"), "--http 8092: must be HOST:PORT"),
    ],
)
def test_what_cannot_be_done_is_told(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    (tmp_path / "kappa.yaml").write_text(DEFINITION.format(stream="s", table="t"))
    failed = cli(*arguments, "-d", str(tmp_path / "kappa.yaml"))
    assert failed.code == 2
    assert told in failed.err


def test_views_and_snapshots_go_on_when_their_broker_was_away(tmp_path: Path) -> None:
    with BrokerProcess() as broker:
        cli = Cli(broker.bootstrap)
        definition, settings = defined(cli, tmp_path, "kappa_away", 100)
        views = cli.start("kappa", "up", "-d", definition, "--http", "127.0.0.1:0")
        snapshot = cli.start("snapshot", "-d", definition, "--follow")
        try:
            assert views.stdout is not None
            assert snapshot.stdout is not None
            address = re.search(r"http://\S+", views.stdout.readline().decode())
            assert address is not None
            snapshot.stdout.readline()
            broker.stop()
            assert views.stderr is not None
            assert b"trying again in" in views.stderr.readline()
            broker.start()
            fill(settings, "kappa_away", records(10))
            wanted = {"wait": "kappa_away:0:54", "timeout": "60"}
            assert httpx2.get(f"{address[0]}/totals", params=wanted, timeout=90).status_code == 200
        finally:
            for process in (views, snapshot):
                process.terminate()
                process.communicate()
        assert [views.returncode, snapshot.returncode] == [143, 143]


def test_two_at_a_time_are_one_too_many(cli: Cli, tmp_path: Path) -> None:
    definition, _ = defined(cli, tmp_path, "kappa_twice", 10)
    process = cli.start("kappa", "up", "-d", definition, "--http", "127.0.0.1:0")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert "totals.duckdb is in use by another process" in cli("kappa", "up", "--once", "-d", definition).err
    finally:
        process.terminate()
        process.communicate()


def test_the_schema_of_the_definition_is_published(cli: Cli) -> None:
    assert cli.ok("kappa", "schema").json["title"] == "kappa.yaml"
