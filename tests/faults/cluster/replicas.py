"""Whether the replicas of a partition hold the same bytes, read from their files."""

import time
from pathlib import Path

from odradek.wire.records import batches
from tests.faults.cluster.brokers import RECOVERY_S, Replicated, View
from tests.support.history import Partition

PAUSE_S = 0.2


def wait_until_equal(cluster: Replicated, view: View) -> None:
    """Nobody produces any more: followers have at most to write down the end."""
    deadline = time.monotonic() + RECOVERY_S
    while found := differences(cluster, view.replicas()):
        assert time.monotonic() < deadline, found[:5]
        time.sleep(PAUSE_S)


def differences(cluster: Replicated, replicas: dict[Partition, list[int]]) -> list[str]:
    """Empty when all replicas of each partition are equal from the highest log start on."""
    found = []
    for partition, broker_ids in replicas.items():
        try:
            held = {each: _batches(cluster.directory(each) / "{}-{}".format(*partition)) for each in broker_ids}
        except FileNotFoundError as error:
            found.append(str(error))
            continue
        if difference := _difference(held):
            found.append(f"{partition}: {difference}")
    return found


def _batches(directory: Path) -> dict[int, bytes]:
    """Each batch by its base offset."""
    found = {}
    files = sorted(directory.glob("*.log"))
    if not files:
        raise FileNotFoundError(f"nothing in {directory}")
    for file in files:
        content = file.read_bytes()
        for position, header in batches(content):
            found[header.base_offset] = content[position : position + header.size]
    return found


def _difference(held: dict[int, dict[int, bytes]]) -> str | None:
    start = max(min(each, default=0) for each in held.values())
    offsets = sorted({offset for each in held.values() for offset in each if offset >= start})
    for offset in offsets:
        contents = {broker_id: each.get(offset) for broker_id, each in held.items()}
        if len(set(contents.values())) > 1:
            sizes = {broker_id: None if content is None else len(content) for broker_id, content in contents.items()}
            return f"at offset {offset} the replicas hold batches of {sizes} bytes"
    return None
