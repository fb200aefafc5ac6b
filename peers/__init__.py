"""Programs of others that Odradek is compared with and checked by: Apache Kafka, and the JDK, Maven and Go they need.

`make interop` and `make bench` use them; nothing else does. What is fetched or built lands in `.peers/`, which git
ignores. A machine without one of these programs is told so in one line (`PeerMissingError`).
"""

from peers.distribution import KAFKA_VERSION, kafka_classpath, kafka_command
from peers.programs import PEERS_DIRECTORY, PeerMissingError, go, java, javac, maven

__all__ = [
    "KAFKA_VERSION",
    "PEERS_DIRECTORY",
    "PeerMissingError",
    "go",
    "java",
    "javac",
    "kafka_classpath",
    "kafka_command",
    "maven",
]
