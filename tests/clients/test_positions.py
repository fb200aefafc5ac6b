"""Where a consumer is, was and may go: positions, seeking, pausing, times, patterns, offsets that are gone."""

from collections.abc import Callable, Iterator

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient

from tests.clients.polling import error_of, poll_until_it_stands_at, take
from tests.clients.vocabulary import Client, Membership, OffsetIsGone, Reader, Reading, Received, Sent

DEADLINE_S = 30
POLLS_MAX = 150
FIRST_KEPT, END = 4, 10
START_MS = 1_600_000_000_000


@pytest.fixture
def numbers(clients: dict[str, Client], new_topic: Callable[..., str]) -> str:
    """A topic with the records 0 to 9 in its only partition, a second apart."""
    topic = new_topic()
    records = [Sent(b"%d" % number, timestamp_ms=START_MS + number * 1000) for number in range(END)]
    clients["confluent-kafka"].produce(topic, records)
    return topic


@pytest.fixture
def shortened(bootstrap: str, numbers: str) -> str:
    """The same topic without its first records."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (future,) = admin.delete_records([confluent_kafka.TopicPartition(numbers, 0, FIRST_KEPT)]).values()
    future.result(DEADLINE_S)
    return numbers


@pytest.fixture
def open_reader(client: Client) -> Iterator[Callable[[Reading], Reader]]:
    """Opens readers that are closed in the end."""
    opened: list[Reader] = []

    def reader(reading: Reading) -> Reader:
        opened.append(client.reader(reading))
        return opened[-1]

    yield reader
    for each in opened:
        each.close()


def values(records: list[Received]) -> list[bytes | None]:
    return [record.value for record in records]


def test_a_consumer_knows_its_position(open_reader: Callable[[Reading], Reader], numbers: str) -> None:
    reader = open_reader(Reading(numbers, offset=3))
    assert values(take(reader, 2)) == [b"3", b"4"]
    assert reader.position() == 5
    assert reader.bounds() == (0, END)


def test_a_consumer_keeps_its_position_in_a_group(
    open_reader: Callable[[Reading], Reader], numbers: str, new_group: Callable[[], str]
) -> None:
    reader = open_reader(Reading(numbers, offset=3, group=new_group()))
    assert reader.committed() is None
    take(reader, 2)
    reader.commit()
    assert reader.committed() == 5


def test_a_consumer_goes_where_it_is_told(open_reader: Callable[[Reading], Reader], numbers: str) -> None:
    reader = open_reader(Reading(numbers, offset=3))
    take(reader, 1)
    reader.seek(8)
    assert values(take(reader, 2)) == [b"8", b"9"]
    reader.seek_to_beginning()
    assert values(take(reader, 1)) == [b"0"]
    reader.seek_to_end()
    assert reader.position() == END


def test_a_consumer_reads_nothing_while_it_pauses(open_reader: Callable[[Reading], Reader], numbers: str) -> None:
    reader = open_reader(Reading(numbers, offset=0))
    take(reader, 1)
    reader.pause()
    assert reader.poll() == []
    reader.resume()
    assert values(take(reader, 9)) == [b"%d" % number for number in range(1, END)]


def test_a_consumer_begins_at_a_time(client: Client, open_reader: Callable[[Reading], Reader], numbers: str) -> None:
    offset = client.offset_for_time(numbers, 0, START_MS + 6500)
    assert offset == 7
    assert values(take(open_reader(Reading(numbers, offset)), 3)) == [b"7", b"8", b"9"]


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
@pytest.mark.parametrize("missing", [1, 11], ids=["before the first", "after the last"])
def test_a_consumer_goes_to_the_first_record_when_its_offset_does_not_exist(
    open_reader: Callable[[Reading], Reader], shortened: str, missing: int, isolation: str
) -> None:
    reader = open_reader(Reading(shortened, missing, reset="earliest", isolation=isolation))
    assert values(take(reader, 2)) == [b"4", b"5"]


@pytest.mark.parametrize("missing", [1, 11], ids=["before the first", "after the last"])
def test_a_consumer_goes_to_the_end_when_its_offset_does_not_exist(
    client: Client, open_reader: Callable[[Reading], Reader], shortened: str, missing: int
) -> None:
    reader = open_reader(Reading(shortened, missing, reset="latest"))
    poll_until_it_stands_at(reader, END)
    client.produce(shortened, [Sent(b"new")])
    assert values(take(reader, 1)) == [b"new"]


@pytest.mark.parametrize("missing", [1, 11], ids=["before the first", "after the last"])
def test_a_consumer_that_must_not_choose_is_told_that_its_offset_does_not_exist(
    open_reader: Callable[[Reading], Reader], shortened: str, missing: int
) -> None:
    reader = open_reader(Reading(shortened, missing, reset="none"))
    error_of(reader.poll, OffsetIsGone)


def test_a_consumer_at_the_end_waits_there(
    client: Client, open_reader: Callable[[Reading], Reader], numbers: str
) -> None:
    reader = open_reader(Reading(numbers, offset=END, reset="none"))
    assert reader.poll() == []
    client.produce(numbers, [Sent(b"new")])
    assert values(take(reader, 1)) == [b"new"]


def test_a_member_subscribes_to_a_pattern(client: Client, numbers: str, new_group: Callable[[], str]) -> None:
    member = client.join(Membership(new_group(), pattern=f"^{numbers}$"))
    try:
        seen: list[Received] = []
        for _ in range(POLLS_MAX):
            seen += member.poll()
            if len(seen) >= END:
                break
        assert values(seen) == [b"%d" % number for number in range(END)]
    finally:
        member.close()
