"""Ten thousand frames that are wrong, and connections that misuse the framing."""

import random
import socket
from contextlib import suppress

import pytest

from tests.attack.frames import ALL, SIZE, blank, frame, malformed
from tests.attack.siege import MIB, Siege, times

FRAMES = 10_000
SEEDS = 5
MALFORMED_GROWTH = 48 * MIB
"""Modules of all versions (kio's are imported on first use, 31-48 MB as it measured) and one frame's entities."""


def throw(siege: Siege, content: bytes) -> None:
    """Send it on a connection of its own and take what the broker answers, if anything."""
    with siege.connect() as connection, suppress(ConnectionError):
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


@pytest.mark.parametrize("seed", range(SEEDS))
def test_malformed_frames_disturb_nobody(siege: Siege, seed: int) -> None:
    source = random.Random(seed)
    with siege.attack(f"malformed frames {seed}", growth_max=MALFORMED_GROWTH):
        for _ in range(times(FRAMES // SEEDS)):
            throw(siege, malformed(source))


def test_every_cut_of_every_request_disturbs_nobody(siege: Siege) -> None:
    with siege.attack("cut requests", growth_max=MALFORMED_GROWTH):
        for api, version in ALL:
            content = blank(api, version)
            for end in range(8, len(content)):
                throw(siege, frame(content[:end]))


@pytest.mark.parametrize("size", [2**31 - 1, 100 << 20, -1, -(2**31), 0])
def test_an_announced_size_allocates_nothing(siege: Siege, size: int) -> None:
    with siege.attack(f"announced size {size}", growth_max=24 * MIB):
        connections = [siege.connect() for _ in range(50)]
        for connection in connections:
            with suppress(ConnectionError):
                connection.sendall(SIZE.pack(size) + bytes(1000))
        siege.ask("metadata", 12, topics=[])
        for connection in connections:
            connection.close()
