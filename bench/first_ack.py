"""From the command to the first acknowledged record, and the memory resident then.

    python -m bench.first_ack [--runs 5]

Each run starts `odradek start` on a new data directory and sends one pre-encoded record with acks=all over a plain
socket as soon as the port answers, so that no client's own start-up is measured.
"""

import argparse
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from odradek.wire.record_codec import Record, encode_batch

DEADLINE_S = 30.0
CLIENT_ID = b"first-ack"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = [measure() for _ in range(parser.parse_args().runs)]
    for name, values in zip(("port, ms", "first ack, ms", "resident, MB"), zip(*runs, strict=True), strict=True):
        print(f"{name:<14} median {statistics.median(values):6.0f}   max {max(values):6.0f}")


def measure() -> tuple[float, float, float]:
    """Milliseconds to the open port and to the first acknowledgement, megabytes resident then."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        command = [str(Path(sys.executable).with_name("odradek")), "start", "--data-dir", directory]
        begin = time.perf_counter()
        process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL)
        try:
            connection = connect(port, begin)
            opened = time.perf_counter()
            create_topic_and_produce(connection)
            acknowledged = time.perf_counter()
            return (opened - begin) * 1000, (acknowledged - begin) * 1000, resident_mb(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(port: int, begin: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        except ConnectionRefusedError:
            if time.perf_counter() - begin > DEADLINE_S:
                raise
            time.sleep(0.002)


def create_topic_and_produce(connection: socket.socket) -> None:
    """Metadata v4 with auto-creation until the topic has a leader, Produce v7 with one record and acks=all."""
    metadata = struct.pack(">ih1s?", 1, 1, b"t", True)
    batch = encode_batch([Record(0, int(time.time() * 1000), None, b"hello", ())])
    produce = struct.pack(">hhiih1siii", -1, -1, 30_000, 1, 1, b"t", 1, 0, len(batch)) + batch
    error_at = 4 + 2 + 1 + 4 + 4
    call(connection, 3, 4, metadata)
    while struct.unpack_from(">h", call(connection, 0, 7, produce), error_at)[0] != 0:
        call(connection, 3, 4, metadata)


def call(connection: socket.socket, api_key: int, version: int, body: bytes) -> bytes:
    """One request and its response without the size and the correlation id."""
    header = struct.pack(">hhih", api_key, version, 1, len(CLIENT_ID)) + CLIENT_ID
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    (size,) = struct.unpack(">i", receive(connection, 4))
    return receive(connection, size)[4:]


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        data += chunk
    return data


def resident_mb(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


if __name__ == "__main__":
    main()
