"""A well-behaved client in a process of its own: produces a batch, reads it back, compares, again and again.

    python -m tests.attack.bystander HOST PORT TOPIC BROKER_PID

Each line on stdin is answered with a line of JSON about the time since the last one: rounds, errors, the longest wait
for a response in milliseconds, and the most CPU time that the broker's loop used meanwhile (which other load on the
machine does not change).
"""

import json
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

from odradek.wire.record_codec import Record, encode_batch
from tests.attack.frames import framed, receive
from tests.support.requests import request
from tests.support.wire_client import produce_request

PAUSE_SECONDS = 0.001
TIMEOUT_SECONDS = 60.0
RECORDS_OFFSET = 61


class Bystander:
    """`rounds` go on in order; every answer is checked."""

    def __init__(self, host: str, port: int, topic: str, broker_pid: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._topic = topic
        self._cpu = Path(f"/proc/{broker_pid}/task/{broker_pid}/schedstat")
        self._number = 0
        self._offset = 0
        self.forget()

    def forget(self) -> None:
        self._rounds, self._wait_s, self._loop_cpu_s = 0, 0.0, 0.0
        self._slowest = ""

    def round(self) -> None:
        """One record there and back."""
        value = b"round %d" % self._number
        batch = encode_batch([Record(0, int(time.time() * 1000), b"key", value, ())])
        self._number += 1
        produced = self._ask("produce", produce_request(self._topic, 0, bytes(batch))).responses[0]
        answer = produced.partition_responses[0]
        assert answer.error_code.name == "none", answer
        assert answer.base_offset == self._offset, (answer, self._offset)
        fetched = self._ask("fetch", self._fetch()).responses[0].partitions[0]
        assert fetched.error_code.name == "none", fetched
        assert bytes(fetched.records)[RECORDS_OFFSET:] == bytes(batch)[RECORDS_OFFSET:]
        self._offset += 1
        self._rounds += 1

    def report(self) -> dict[str, Any]:
        """What happened since the last report."""
        found = {
            "rounds": self._rounds,
            "wait_ms_max": round(self._wait_s * 1000, 1),
            "loop_cpu_ms_max": round(self._loop_cpu_s * 1000, 1),
            "slowest": self._slowest,
        }
        self.forget()
        return found

    def _fetch(self) -> Any:
        partition = {"partition": 0, "fetch_offset": self._offset, "partition_max_bytes": 1 << 20}
        topics = [{"topic": self._topic, "partitions": [partition]}]
        return request("fetch", 12, min_bytes=1, max_bytes=1 << 20, topics=topics, forgotten_topics_data=[])

    def _ask(self, name: str, entity: Any) -> Any:
        frame, cpu_s, start_s = framed(entity, self._number), self._broker_cpu_s(), time.perf_counter()
        self._socket.sendall(frame)
        response = receive(self._socket, type(entity))
        wait_s, loop_cpu_s = time.perf_counter() - start_s, self._broker_cpu_s() - cpu_s
        if wait_s > self._wait_s:
            self._wait_s, self._slowest = wait_s, name
        self._loop_cpu_s = max(self._loop_cpu_s, loop_cpu_s)
        return response

    def _broker_cpu_s(self) -> float:
        return int(self._cpu.read_text().split()[0]) / 1e9


def main() -> None:
    host, port, topic, broker_pid = sys.argv[1:]
    bystander = Bystander(host, int(port), topic, int(broker_pid))
    bystander.round()
    bystander.forget()
    print("ready", flush=True)
    while True:
        if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            if not sys.stdin.readline():
                return
            bystander.round()
            print(json.dumps(bystander.report()), flush=True)
        bystander.round()


if __name__ == "__main__":
    main()
