"""A member for a test to stop without a goodbye.

`python -m tests.clients.frozen_member LIBRARY BOOTSTRAP GROUP TOPIC PARTITIONS`

Prints a line once it owns every partition, then polls until it is ended.
"""

import sys

from tests.clients.aio import Aiokafka
from tests.clients.kafkapython import KafkaPython
from tests.clients.librdkafka import Librdkafka
from tests.clients.loop_thread import LoopThread
from tests.clients.vocabulary import Client, Membership


def client_of(library: str, bootstrap: str) -> Client:
    if library == "aiokafka":
        return Aiokafka(bootstrap, LoopThread())
    return Librdkafka(bootstrap) if library == "confluent-kafka" else KafkaPython(bootstrap)


def main(library: str, bootstrap: str, group: str, topic: str, partitions: str) -> None:
    member = client_of(library, bootstrap).join(Membership(group, (topic,), session_timeout_ms=1500))
    while len(member.assignment()) < int(partitions):
        member.poll()
    print("owns everything", flush=True)
    while True:
        member.poll()


if __name__ == "__main__":
    main(*sys.argv[1:])
