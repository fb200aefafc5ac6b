"""What the values in the metadata store hold, as JSON. Unknown fields are ignored, so that older brokers read on.

`op_id` names the operation that wrote a value: after a lost reply, finding one's own value means it was applied.
"""

from typing import Literal, TypeVar

import msgspec

T = TypeVar("T")

ReplicaEpochs = tuple[tuple[int, int], ...]
"""Pairs of broker id and the broker epoch in which that replica was last known in sync (KIP-903)."""

_encoder = msgspec.json.Encoder()


class Record(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    def encode(self) -> bytes:
        return _encoder.encode(self)


class MetaRecord(Record, frozen=True):
    """`format` is the version of what keys and values mean; `restored` the last restoring of the store whose lost
    counters have been raised (`StoreInfo.restored`)."""

    cluster_id: str
    format: int
    restored: int = 0
    op_id: str = ""


class ControllerRecord(Record, frozen=True):
    broker: int
    epoch: int


class Endpoint(Record, frozen=True):
    """`security_protocol` is Kafka's name: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL."""

    listener: str
    host: str
    port: int
    security_protocol: str = "PLAINTEXT"


class BrokerRecord(Record, frozen=True):
    """`predecessor_epoch` is the earliest epoch since which nothing was lost, -1 when only this one is proven.

    `gray` is why others should lead while it lives (`cluster.grayness`), empty while it does its work.
    """

    epoch: int
    incarnation: str
    endpoints: tuple[Endpoint, ...]
    rack: str | None = None
    directory_id: str = ""
    predecessor_epoch: int = -1
    fenced: bool = True
    draining: bool = False
    gray: str = ""
    op_id: str = ""


class LiveRecord(Record, frozen=True):
    epoch: int


class SuspectRecord(Record, frozen=True):
    """The suspect's broker epoch: of any other registration it says nothing."""

    epoch: int


class TopicRecord(Record, frozen=True):
    """Partitions with an index of `partitions` or more do not exist yet, whatever keys there are."""

    topic_id: str
    partitions: int
    state: Literal["creating", "live"] = "live"
    op_id: str = ""


class CollisionRecord(Record, frozen=True):
    name: str


class PartitionRecord(Record, frozen=True):
    """`leader` is -1 when there is none; `last_leader` then says who it was."""

    replicas: tuple[int, ...]
    leader: int
    leader_broker_epoch: int
    leader_epoch: int
    isr: ReplicaEpochs
    elr: ReplicaEpochs = ()
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()
    min_isr: int = 1
    last_leader: int = -1
    op_id: str = ""


class DeletedRecord(Record, frozen=True):
    """A topic that is gone; `waiting` are the brokers that have not yet confirmed that their files are too."""

    name: str
    waiting: tuple[int, ...]
    op_id: str = ""


class IntentRecord(Record, frozen=True):
    """`broker` in its `broker_epoch` is making partitions [first, count) of the topic."""

    topic: str
    first: int
    count: int
    broker: int
    broker_epoch: int
    op_id: str = ""


class LoadRecord(Record, frozen=True):
    """What a broker holds, told now and then: its volumes, its replicas' bytes, and its largest replicas.

    `largest`: topic id, partition, bytes. It goes with the broker's lease.
    """

    disk_total_bytes: int
    disk_free_bytes: int
    replica_bytes: int
    replicas: int
    largest: tuple[tuple[str, int, int], ...] = ()


class ConfigRecord(Record, frozen=True):
    values: dict[str, str]
    op_id: str = ""


class ProducerIdBlockRecord(Record, frozen=True):
    next_id: int
    op_id: str = ""


class CounterRecord(Record, frozen=True):
    value: int
    op_id: str = ""


class HistoryRecord(Record, frozen=True):
    """A token of the store's history, its key's last part (`cluster.history`).

    `recovering` and `recovered` are a recovery's begin and end. Then `brokers` holds, by broker, the highest revision
    that its data has seen and that was taken into account, and no broker epoch given before is above `epoch_floor`.
    """

    by: int
    kind: Literal["registered", "controller", "recovering", "recovered"]
    brokers: dict[int, int] = {}
    epoch_floor: int = 0


_decoders: dict[type, msgspec.json.Decoder[object]] = {}


def decode(kind: type[T], value: bytes) -> T:
    """Raises msgspec.ValidationError, msgspec.DecodeError."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder.decode(value)  # type: ignore[return-value]
