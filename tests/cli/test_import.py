"""`odradek import`: each row once and in order, however often it is killed."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from odradek.kappa.client import LogReader, Topics
from tests.cli.conftest import Cli
from tests.kappa.support.topics import Settings, delete_topic, fill, make

pytestmark = pytest.mark.real_broker

ROWS, KILLS = 40_000, 5


def source(directory: Path, rows: int = ROWS) -> str:
    path = directory / "rows.csv"
    path.write_text("at,k,n\n" + "".join(f"{time_of(n)},{n % 50 or 'NA'},{n}\n" for n in range(rows)))
    return str(path)


def time_of(number: int) -> str:
    """A few rows of one time, and the times not in order."""
    seconds = (number * 7919 % ROWS) // 3
    return f"2013-01-01 {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def read(cli: Cli, topic: str) -> dict[int, list[Any]]:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    found: dict[int, list[Any]] = {}
    with LogReader(settings) as reader:
        for batch in reader.read(topic, Topics(settings).bounds(topic)):
            for row in batch.to_pylist():
                found.setdefault(row["_partition"], []).append(row)
    return found


def numbers(rows: dict[int, list[Any]]) -> list[int]:
    return sorted(json.loads(row["_value"])["n"] for part in rows.values() for row in part)


def test_killed_at_any_time_each_row_is_there_once_and_in_order(cli: Cli, tmp_path: Path) -> None:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, "import_killed", 3, **{"retention.ms": "-1"})
    command = ["import", source(tmp_path), "-t", "import_killed", "-e", "at", "-k", "k", "--null", "NA"]
    command += ["--state", str(tmp_path / "state")]
    for kill in range(KILLS):
        before = numbers_stored(settings)
        process = cli.start(*command)
        while numbers_stored(settings) <= before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(0.01 * kill)  # Somewhere within what it does next, which is what is tried here.
        process.kill()
        process.communicate()
    told = cli.ok(*command, "--json").json
    assert told["rows"] == ROWS
    rows = read(cli, "import_killed")
    assert numbers(rows) == list(range(ROWS))
    for part in rows.values():
        assert [row["_timestamp"] for row in part] == sorted(row["_timestamp"] for row in part)
    again = cli.ok(*command, "--json").json
    assert (again["rows"], again["sent"]) == (ROWS, 0)


def numbers_stored(settings: Settings) -> int:
    return sum(each.end for each in Topics(settings).bounds("import_killed").values())


def test_records_of_others_in_the_topic_are_left_alone(cli: Cli, tmp_path: Path) -> None:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, "import_shared", 1, **{"retention.ms": "-1"})
    fill(settings, "import_shared", [(None, '{"n": -1}', 0)])
    command = ["import", source(tmp_path, 10), "-t", "import_shared", "-e", "at", "--state", str(tmp_path / "state")]
    cli.ok(*command)
    fill(settings, "import_shared", [(None, '{"n": -2}', 0)])
    assert "has all 10 rows already" in cli.ok(*command).out
    assert numbers(read(cli, "import_shared")) == [-2, -1, *range(10)]


def test_a_topic_made_again_or_a_changed_source_is_not_gone_on_with(cli: Cli, tmp_path: Path) -> None:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, "import_again", 1, **{"retention.ms": "-1"})
    command = ["import", source(tmp_path, 10), "-t", "import_again", "-e", "at", "--state", str(tmp_path / "state")]
    cli.ok(*command)
    source(tmp_path, 11)
    assert "the source has changed since this import began: --restart begins anew" in cli(*command).err
    delete_topic(settings, "import_again")
    make(settings, "import_again", 1, **{"retention.ms": "-1"})
    assert "import_again was made again since this import began" in cli(*command).err
    assert cli.ok(*command, "--restart", "--json").json["sent"] == 11


def test_a_query_is_a_source_and_speed_is_a_pace(cli: Cli, tmp_path: Path) -> None:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, "import_sql", 2, **{"retention.ms": "-1"})
    sql = "SELECT TIMESTAMP '2013-01-01' + to_seconds(n) AS at, n FROM range(20) t(n)"
    told = cli.ok(
        "import", "--sql", sql, "-t", "import_sql", "-e", "at", "--speed", "100", "--json", "--state", str(tmp_path)
    ).json
    assert (told["rows"], told["sent"]) == (20, 20)
    assert numbers(read(cli, "import_sql")) == list(range(20))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-t", "t", "-e", "at"), "name files, or a query with --sql"),
        (("x.csv", "--sql", "SELECT 1", "-t", "t", "-e", "at"), "name files, or a query with --sql"),
        (("x.csv", "-t", "t", "-e", "at", "--speed", "0"), "--speed 0: must be above 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    failed = cli("import", *arguments)
    assert failed.code == 2
    assert told in failed.err


def test_a_record_that_is_too_large_says_which_row(cli: Cli, tmp_path: Path) -> None:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, "import_large", 1)
    sql = "SELECT TIMESTAMP '2013-01-01' AS at, repeat('x', 3000000) AS n"
    failed = cli("import", "--sql", sql, "-t", "import_large", "-e", "at", "--state", str(tmp_path))
    assert failed.code == 1
    assert "row 1 cannot be sent" in failed.err
