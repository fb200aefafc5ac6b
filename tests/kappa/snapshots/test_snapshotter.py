"""A topic's records are in its table once, however the writing of them ends."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from odradek.kappa.definition import Lake, Topic, parse
from odradek.kappa.snapshots import SnapshotTable, Snapshotter, open_catalog
from odradek.kappa.snapshots.errors import SnapshotError
from odradek.kappa.snapshots.snapshotter import COMMITS_MAX
from odradek.testing import BrokerProcess
from tests.kappa.support.topics import Settings, delete_before, delete_topic, fill, make

pytestmark = pytest.mark.real_broker

SIZE = 1 << 20


@pytest.fixture(scope="module")
def settings(odradek_broker: BrokerProcess) -> Settings:
    return {"bootstrap.servers": odradek_broker.bootstrap}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    found = open_catalog(Lake(), tmp_path)
    yield found
    found.close()


def topic_of(columns: str = "n: bigint", **more: Any) -> Topic:
    (topic,) = parse(f"topics: {{t: {{schema: {{{columns}}}, snapshot: {{iceberg: lake.t}}}}}}").topics.values()
    from msgspec.structs import replace

    return replace(topic, **more)


def numbers(count: int, partitions: int = 2, start: int = 0) -> Iterator[tuple[str, str, int]]:
    for each in range(start, start + count):
        yield str(each), json.dumps({"n": each}), each % partitions


def rows(catalog: Catalog) -> list[dict[str, Any]]:
    """As an independent reader sees them."""
    found: list[dict[str, Any]] = catalog.load_table("lake.t").scan().to_arrow().to_pylist()
    return sorted(found, key=lambda row: (row["_partition"], row["_offset"]))


def take(job: Snapshotter, size: int = SIZE) -> int:
    return sum(taken.rows for taken in job.take(size))


def test_every_record_is_a_row_with_its_position(settings: Settings, catalog: Catalog) -> None:
    make(settings, "rows", 2)
    fill(settings, "rows", numbers(10))
    job = Snapshotter(settings, catalog, "rows", topic_of())
    assert take(job) == 10
    assert take(job) == 0
    found = rows(catalog)
    assert [row["n"] for row in found] == [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]
    assert (found[0]["_key"], found[0]["_op"], found[0]["_raw"]) == (b"0", "u", None)
    assert found[0]["_headers"] == [{"key": "h", "value": b"x"}]
    assert found[0]["_timestamp"].timestamp() == pytest.approx(1.0)
    job.close()


def test_what_comes_later_is_added_in_commits_of_the_size(settings: Settings, catalog: Catalog) -> None:
    make(settings, "later", 2)
    fill(settings, "later", numbers(4))
    job = Snapshotter(settings, catalog, "later", topic_of())
    assert take(job) == 4
    fill(settings, "later", numbers(100, start=4))
    assert job.waiting() == 100
    assert sum(taken.rows for taken in job.take(1)) == 100
    again = Snapshotter(settings, catalog, "later", topic_of())
    assert take(again) == 0
    assert Counter(row["n"] for row in rows(catalog)) == Counter(range(104))
    job.close()
    again.close()


class Broken:
    """A table whose appends fail, before or after they are committed."""

    def __init__(self, table: SnapshotTable, fails: list[str]) -> None:
        self._append, self._fails = table.append, fails

    def __call__(self, *arguments: Any) -> None:
        fail = self._fails.pop(0) if self._fails else ""
        if fail == "before":
            raise OSError("the catalog does not answer")
        self._append(*arguments)
        if fail == "after":
            raise OSError("the answer was lost")


@pytest.mark.parametrize("fails", [["before"], ["after"], ["before", "after"], ["before"] * (COMMITS_MAX - 1)])
def test_a_commit_whose_end_is_not_known_is_looked_up(settings: Settings, catalog: Catalog, fails: list[str]) -> None:
    topic = f"unknown-{'-'.join(fails)}"
    make(settings, topic, 2)
    fill(settings, topic, numbers(10))
    job = Snapshotter(settings, catalog, topic, topic_of())
    job.table.append = Broken(job.table, list(fails))  # type: ignore[method-assign, assignment]
    assert take(job) == 10
    assert Counter(row["n"] for row in rows(catalog)) == Counter(range(10))
    job.close()


def test_rows_and_the_offsets_they_reach_to_are_one_commit(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever commits of the catalog fail, none leaves rows there whose offsets are not."""
    make(settings, "one-commit", 2)
    job = Snapshotter(settings, catalog, "one-commit", topic_of())
    commit, asked = catalog.commit_table, list[int]()

    def every_second_fails(*arguments: Any) -> Any:
        asked.append(len(asked))
        if len(asked) % 2 == 0:
            raise OSError("the catalog does not answer")
        return commit(*arguments)

    monkeypatch.setattr(catalog, "commit_table", every_second_fails)
    for start in (0, 10, 20):
        fill(settings, "one-commit", numbers(10, start=start))
        take(job)
    assert Counter(row["n"] for row in rows(catalog)) == Counter(range(30))
    job.close()


def test_a_commit_that_never_succeeds_is_an_error(settings: Settings, catalog: Catalog) -> None:
    make(settings, "never")
    fill(settings, "never", numbers(1, 1))
    job = Snapshotter(settings, catalog, "never", topic_of())
    job.table.append = Broken(job.table, ["before"] * 99)  # type: ignore[method-assign, assignment]
    with pytest.raises(SnapshotError, match="could not be committed in 8 tries"):
        take(job)
    job.close()


def test_of_two_writers_one_commits_and_the_other_goes_on_behind_it(settings: Settings, catalog: Catalog) -> None:
    make(settings, "two", 2)
    fill(settings, "two", numbers(10))
    first = Snapshotter(settings, catalog, "two", topic_of())
    second = Snapshotter(settings, catalog, "two", topic_of())
    for start, job in ((10, first), (20, second), (30, second), (40, first)):
        take(job)
        fill(settings, "two", numbers(10, start=start))
    take(second)
    assert Counter(row["n"] for row in rows(catalog)) == Counter(range(50))
    first.close()
    second.close()


def test_deletes_are_rows_of_a_tables_snapshot(settings: Settings, catalog: Catalog) -> None:
    make(settings, "table")
    fill(settings, "table", [("7", "{}", 0), ("7", None, 0)])
    key = parse("topics: {t: {schema: {n: int}, key: {field: n, from: key}}}").topics["t"].key
    job = Snapshotter(settings, catalog, "table", topic_of(key=key, table=True))
    assert take(job) == 2
    assert [(row["n"], row["_op"]) for row in rows(catalog)] == [(7, "u"), (7, "d")]
    job.close()


def test_a_record_that_cannot_be_read_stops_or_is_kept_as_it_is(settings: Settings, catalog: Catalog) -> None:
    make(settings, "bad")
    fill(settings, "bad", [(None, '{"n":1}', 0), (None, b"\xff", 0)])
    job = Snapshotter(settings, catalog, "bad", topic_of())
    with pytest.raises(SnapshotError, match="bad-0 offset 1: the value is no UTF-8 text"):
        take(job)
    job.close()
    job = Snapshotter(settings, catalog, "bad", topic_of(on_error="skip"))
    assert take(job) == 2
    assert [(row["n"], row["_raw"]) for row in rows(catalog)] == [(1, None), (None, b"\xff")]
    job.close()


def test_a_column_may_be_added_or_widened_and_nothing_else(settings: Settings, catalog: Catalog) -> None:
    make(settings, "columns")
    fill(settings, "columns", numbers(1, 1))
    job = Snapshotter(settings, catalog, "columns", topic_of("n: int"))
    assert take(job) == 1
    job.close()
    fill(settings, "columns", [(None, '{"n": 3000000000, "s": "x"}', 0)])
    job = Snapshotter(settings, catalog, "columns", topic_of("n: bigint, s: varchar"))
    assert take(job) == 1
    assert [(row["n"], row["s"]) for row in rows(catalog)] == [(0, None), (3_000_000_000, "x")]
    job.close()
    with pytest.raises(SnapshotError, match=r"lake\.t has a column s that the topic's schema lacks"):
        Snapshotter(settings, catalog, "columns", topic_of("n: bigint"))
    with pytest.raises(SnapshotError, match="cannot take the topic's columns"):
        Snapshotter(settings, catalog, "columns", topic_of("n: varchar, s: varchar"))


def test_a_topic_made_again_does_not_go_into_the_old_table(settings: Settings, catalog: Catalog) -> None:
    make(settings, "renewed")
    fill(settings, "renewed", numbers(3, 1))
    job = Snapshotter(settings, catalog, "renewed", topic_of())
    take(job)
    job.close()
    delete_topic(settings, "renewed")
    make(settings, "renewed")
    with pytest.raises(SnapshotError, match="holds another log than renewed is today"):
        Snapshotter(settings, catalog, "renewed", topic_of())


def test_a_topic_made_again_while_a_job_is_open_is_noticed_whatever_it_holds(
    settings: Settings, catalog: Catalog
) -> None:
    make(settings, "renewed-meanwhile")
    fill(settings, "renewed-meanwhile", numbers(3, 1))
    job = Snapshotter(settings, catalog, "renewed-meanwhile", topic_of())
    take(job)
    for count in (1, 9):
        delete_topic(settings, "renewed-meanwhile")
        make(settings, "renewed-meanwhile")
        fill(settings, "renewed-meanwhile", numbers(count, 1))
        with pytest.raises(SnapshotError, match="holds another log than renewed-meanwhile is today"):
            take(job)
    assert len(rows(catalog)) == 3
    job.close()


def test_records_deleted_before_their_snapshot_are_an_error(settings: Settings, catalog: Catalog) -> None:
    make(settings, "gone")
    fill(settings, "gone", numbers(3, 1))
    job = Snapshotter(settings, catalog, "gone", topic_of())
    take(job)
    fill(settings, "gone", numbers(5, 1, start=3))
    delete_before(settings, "gone", {0: 6})
    with pytest.raises(SnapshotError, match="3 records were deleted before they were in the snapshot"):
        take(job)
    job.close()


def test_a_partitioned_table_has_its_files_by_day(settings: Settings, catalog: Catalog) -> None:
    make(settings, "days")
    days = ["2013-01-01T05:00:00Z", "2013-01-02T05:00:00Z", "2013-01-02T06:00:00Z"]
    fill(settings, "days", [(None, json.dumps({"t": day}), 0) for day in days])
    topic = parse("topics: {t: {schema: {t: timestamp}, snapshot: {iceberg: lake.t, partition: day(t)}}}").topics["t"]
    job = Snapshotter(settings, catalog, "days", topic)
    assert take(job) == 3
    files = catalog.load_table("lake.t").inspect.files()["record_count"].to_pylist()
    assert sorted(files) == [1, 2]
    job.close()


def test_versions_of_the_table_do_not_grow_without_end(
    settings: Settings, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("odradek.kappa.snapshots.table.SNAPSHOTS_MAX", 4)
    monkeypatch.setattr("odradek.kappa.snapshots.table.SNAPSHOTS_KEPT", 2)
    make(settings, "versions")
    job = Snapshotter(settings, catalog, "versions", topic_of())
    for start in range(7):
        fill(settings, "versions", numbers(1, 1, start))
        assert take(job) == 1
    assert len(catalog.load_table("lake.t").snapshots()) <= 4
    assert [row["n"] for row in rows(catalog)] == list(range(7))
    job.close()


def test_a_catalog_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(SnapshotError, match=r"the catalog sqlite:///lake/catalog\.db cannot be opened"):
        open_catalog(Lake(), tmp_path)
