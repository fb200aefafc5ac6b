"""All rows in the order of the table."""

from __future__ import annotations

from bench.contender import BenchRow, shared_row
from bench.rows.clients import CLIENT_ROWS
from bench.rows.failover import FAILOVER_ROWS
from bench.rows.flatness import FLATNESS_ROWS
from bench.rows.floods import FLOOD_ROWS
from bench.rows.neighbours import NEIGHBOUR_ROWS
from bench.rows.processes import PROCESS_ROWS
from bench.rows.replicated import REPLICATED_ROWS
from bench.rows.scale import SCALE_ROWS
from bench.rows.tools import TOOL_ROWS
from odradek.benchmark.rows import ROWS as RAW_ROWS

WITHOUT_LIMIT = ("end-to-end", "wide-topic")

GROUPS: dict[str, list[BenchRow]] = {
    "Requests over plain sockets": [shared_row(row, has_limit=row.name not in WITHOUT_LIMIT) for row in RAW_ROWS],
    "librdkafka (confluent-kafka)": [shared_row(row) for row in CLIENT_ROWS],
    "Kafka's own tools": TOOL_ROWS,
    "Ten times as much": [shared_row(row, repeats=1) for row in FLATNESS_ROWS],
    "Processes": PROCESS_ROWS,
    "Scale": SCALE_ROWS,
    "Neighbours": NEIGHBOUR_ROWS,
    "Floods": FLOOD_ROWS,
    "Three brokers": REPLICATED_ROWS + FAILOVER_ROWS,
}
"""Heading -> its rows."""

ALL = [row for rows in GROUPS.values() for row in rows]
