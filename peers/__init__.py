"""Programs of others that Odradek works with, is compared with and checked by: Apache Kafka, with the JDK, Maven and Go
it needs, and etcd.

`make interop` and `make bench` use Kafka, tests use etcd. What is fetched or built lands in `.peers/`, which git
ignores. A machine without one of these programs is told so in one line (`PeerMissingError`).
"""

from peers.distribution import KAFKA_VERSION, kafka_classpath, kafka_command
from peers.etcd_server import etcd
from peers.programs import PEERS_DIRECTORY, PeerMissingError, go, java, javac, maven

__all__ = [
    "KAFKA_VERSION",
    "PEERS_DIRECTORY",
    "PeerMissingError",
    "etcd",
    "go",
    "java",
    "javac",
    "kafka_classpath",
    "kafka_command",
    "maven",
]
