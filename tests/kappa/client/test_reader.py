"""Records come out of a real broker as columns, each once and in order."""

import pytest

from odradek.kappa.client import LogReader, Range, Topics
from odradek.kappa.client.errors import LogError
from odradek.testing import BrokerProcess
from tests.kappa.support.topics import Settings, delete_before, delete_topic, fill, make

pytestmark = pytest.mark.real_broker


@pytest.fixture(scope="module")
def settings(odradek_broker: BrokerProcess) -> Settings:
    return {"bootstrap.servers": odradek_broker.bootstrap}


def made(settings: Settings, topic: str, partitions: int, count: int) -> None:
    """`count` records, one partition after the other in turn; the key is the number."""
    make(settings, topic, partitions)
    fill(settings, topic, ((str(each), f"value {each}", each % partitions) for each in range(count)))


def test_every_record_of_the_ranges_comes_once_and_in_order(settings: Settings) -> None:
    made(settings, "all", 3, 30_000)
    topics = Topics(settings)
    bounds = topics.bounds("all")
    assert bounds == {partition: Range(0, 10_000) for partition in range(3)}
    ranges = {0: Range(0, 10_000), 1: Range(500, 501), 2: Range(9_000, 9_000)}
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    with LogReader(settings) as reader:
        for batch in reader.read("all", ranges):
            for row in batch.to_pylist():
                seen[row["_partition"]].append(row["_offset"])
                assert row["_key"] == str(row["_offset"] * 3 + row["_partition"]).encode()
                assert row["_value"] == b"value " + row["_key"]
                assert row["_headers"] is None
    assert seen == {0: list(range(10_000)), 1: [500], 2: []}


def test_headers_come_when_they_are_asked_for(settings: Settings) -> None:
    made(settings, "headers", 1, 2)
    with LogReader(settings) as reader:
        (batch,) = reader.read("headers", {0: Range(0, 2)}, headers=True)
    assert batch.to_pylist()[1]["_headers"] == [{"key": "h", "value": b"x"}]


def test_a_reader_reads_one_topic_after_the_other(settings: Settings) -> None:
    made(settings, "first", 2, 10)
    made(settings, "second", 1, 10)
    with LogReader(settings) as reader:
        for topic, ranges in (("first", {0: Range(0, 5), 1: Range(1, 3)}), ("second", {0: Range(0, 10)})):
            rows = sum(batch.num_rows for batch in reader.read(topic, ranges))
            assert rows == sum(each.end - each.start for each in ranges.values())


def test_what_is_deleted_by_now_is_an_error_and_no_gap(settings: Settings) -> None:
    made(settings, "short", 1, 100)
    delete_before(settings, "short", {0: 50})
    assert Topics(settings).bounds("short") == {0: Range(50, 100)}
    with LogReader(settings) as reader, pytest.raises(LogError, match="short begins later by now"):
        list(reader.read("short", {0: Range(10, 100)}))


def test_a_time_finds_the_first_record_that_is_late_enough(settings: Settings) -> None:
    made(settings, "times", 2, 10)
    topics = Topics(settings)
    assert topics.offsets_at("times", [0, 1], 1005) == {0: 3, 1: 2}
    assert topics.offsets_at("times", [0, 1], 9999) == {0: -1, 1: -1}


def test_a_topic_that_is_not_there_is_named_with_the_nearest(settings: Settings) -> None:
    made(settings, "flights", 1, 0)
    with pytest.raises(LogError, match=r"there is no topic flihgts; did you mean flights\?"):
        Topics(settings).bounds("flihgts")


def test_a_topic_made_again_is_another_log(settings: Settings) -> None:
    made(settings, "again", 1, 0)
    topics = Topics(settings)
    first = topics.identity("again")
    delete_topic(settings, "again")
    made(settings, "again", 1, 0)
    second = topics.identity("again")
    assert first.cluster_id == second.cluster_id
    assert first.topic_id != second.topic_id
