"""`odradek snapshot`, and `odradek sql` over what only a snapshot still has."""

import json
from pathlib import Path

import pytest

from odradek.kappa.definition import Lake
from odradek.kappa.snapshots import open_catalog
from tests.cli.conftest import Cli
from tests.kappa.support.topics import Settings, delete_before, fill, make

pytestmark = pytest.mark.real_broker

KILLS = 4
COUNT = 6_000


def defined(directory: Path, topic: str, every: str = "60s|64KB") -> str:
    (directory / "kappa.yaml").write_text(
        f"topics: {{{topic}: {{schema: {{n: bigint}}, snapshot: {{iceberg: lake.t, every: {every}}}}}}}\n"
    )
    return str(directory / "kappa.yaml")


def filled(cli: Cli, topic: str, count: int) -> Settings:
    settings: Settings = {"bootstrap.servers": cli.bootstrap}
    make(settings, topic, 2)
    fill(settings, topic, ((str(each), json.dumps({"n": each}), each % 2) for each in range(count)))
    return settings


def test_killed_at_any_time_it_leaves_each_record_once(cli: Cli, tmp_path: Path) -> None:
    filled(cli, "snapshot_killed", COUNT)
    definition = defined(tmp_path, "snapshot_killed")
    for _ in range(KILLS):
        process = cli.start("snapshot", "-d", definition, "--follow")
        assert process.stdout is not None
        process.stdout.readline()  # At least one commit is done, and the next one has begun.
        process.kill()
        process.communicate()
    cli.ok("snapshot", "-d", definition)
    catalog = open_catalog(Lake(), tmp_path)
    numbers = catalog.load_table("lake.t").scan(selected_fields=("n",)).to_arrow()["n"].to_pylist()
    catalog.close()
    assert sorted(numbers) == list(range(COUNT))


def test_what_the_log_let_go_of_is_asked_from_the_snapshot(cli: Cli, tmp_path: Path) -> None:
    settings = filled(cli, "snapshot_history", 100)
    definition = defined(tmp_path, "snapshot_history")
    (told,) = cli.ok("snapshot", "-d", definition, "--json").json
    assert (told["records"], told["offsets"]) == (100, {"0": 50, "1": 50})
    fill(settings, "snapshot_history", [(None, json.dumps({"n": 100}), 0)])
    delete_before(settings, "snapshot_history", {0: 50, 1: 7})
    sql = (
        "select count(*) as count, sum(n) as sum, count(distinct (_partition, _offset)) as places from snapshot_history"
    )
    assert cli.ok("sql", sql, "-d", definition, "--json").json == [{"count": 101, "sum": 5050, "places": 101}]
    few = "select n from snapshot_history where _partition = 0 and _offset between 1 and 2 order by n"
    assert cli.ok("sql", few, "-d", definition, "--json").json == [{"n": 2}, {"n": 4}]


def test_records_that_are_nowhere_any_more_are_told(cli: Cli, tmp_path: Path) -> None:
    settings = filled(cli, "snapshot_gone", 10)
    definition = defined(tmp_path, "snapshot_gone")
    delete_before(settings, "snapshot_gone", {0: 2})
    answer = cli("sql", "select count(*) as n from snapshot_gone", "-d", definition, "--json")
    assert (answer.code, answer.json) == (0, [{"n": 8}])
    assert answer.err == "odradek: 2 offsets of snapshot_gone had been deleted before the snapshot had them\n"


def test_a_topic_without_a_table_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "kappa.yaml").write_text("topics: {plain: {schema: {n: int}}}\n")
    definition = str(tmp_path / "kappa.yaml")
    assert "no topic of the definition has a snapshot" in cli("snapshot", "-d", definition).err
    assert "nope is not in the definition; known are plain" in cli("snapshot", "nope", "-d", definition).err
