"""The hand-written answers to ListOffsets read back, by kio, as what was put in."""

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.list_offsets import LEADER_EPOCH_FROM, offsets_partition, offsets_response, offsets_topic
from tests.wire.test_metadata_codec import read

VERSIONS = range(1, 12)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_reads_back_as_it_was_written(version: int) -> None:
    partitions = (
        offsets_partition(version, 7, 0, 1_700_000_000_000, 1 << 40, 5),
        offsets_partition(version, 8, ErrorCode.not_leader_or_follower, -1, -1, -1),
    )
    topics = (offsets_topic(version, "flüge", partitions), offsets_topic(version, "empty", ()))
    flights, empty = read("list_offsets", version, offsets_response(version, topics)).topics
    assert (flights.name, empty.name, empty.partitions) == ("flüge", "empty", ())
    found, refused = flights.partitions
    assert (found.partition_index, found.error_code, found.offset) == (7, ErrorCode.none, 1 << 40)
    assert (refused.partition_index, refused.error_code) == (8, ErrorCode.not_leader_or_follower)
    assert found.timestamp == 1_700_000_000_000
    assert getattr(found, "leader_epoch", None) == (5 if version >= LEADER_EPOCH_FROM else None)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_topic_is_an_answer_too(version: int) -> None:
    assert read("list_offsets", version, offsets_response(version, ())).topics == ()
