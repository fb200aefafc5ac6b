"""docs/compatibility.md says each fixed bound that a client can meet as the code has it."""

from pathlib import Path

import pytest

from odradek.broker import connection, turns
from odradek.cluster import topic_plans
from odradek.groups import joining, shard
from odradek.log import validation
from odradek.observe import http, http_request, metrics
from odradek.wire import compression, entity_reader, fetch, primitives, produce

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


@pytest.mark.parametrize(
    ("bound", "row"),
    [
        (entity_reader.ITEMS_MAX, "Items of all arrays"),
        (produce.PARTITIONS_MAX, "Partitions of one Produce request"),
        (fetch.REQUEST_BYTES_MAX, "Size of one Fetch request"),
        (primitives.TAGGED_FIELDS_MAX, "Tagged fields"),
        (primitives.STRING_BYTES_MAX, "Length of a string"),
        (connection.REQUESTS_IN_FLIGHT_MAX, "Requests of one connection"),
        (connection.WAITING_BYTES_MAX, "Bytes of one connection's requests"),
        (connection.UNSENT_BYTES_MAX, "Responses that a client does not take"),
        (connection.QUEUED_BYTES_MAX, "Responses that wait for earlier ones"),
        (turns.TURN_REQUESTS_MAX, "Requests that are begun in one turn"),
        (compression.DECOMPRESSED_SIZE_MAX, "What the records of one compressed batch expand to"),
        (validation.RECORD_ERRORS_MAX, "Records that one refusal"),
        (topic_plans.MAX_PARTITIONS_PER_REQUEST, "Partitions one request creates"),
        (joining.PENDING_JOINS_MAX, "Member ids"),
        (joining.METADATA_BYTES_MAX, "Protocol metadata of one group member"),
        (shard.WRITE_CHANGES_MAX, "Offsets of one group request"),
        (http.CONNECTIONS_MAX, "Connections of the HTTP endpoint"),
        (http_request.REQUEST_BYTES_MAX, "Size of an HTTP request"),
        (metrics.CHILDREN_MAX, "Label values"),
    ],
)
def test_a_bound_is_documented_as_it_is(bound: int, row: str) -> None:
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith(f"| {row}")]
    assert [cells[1].removesuffix(" bytes") for cells in rows] == [f"{bound:,}"]
