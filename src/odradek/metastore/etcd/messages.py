"""The messages of etcd's protocol that we use, with etcd's field numbers (etcd: rpc.proto, kv.proto).

They are described here and not generated: generated code demands the protobuf version it was made with. The package
name and the pool are our own, so that another etcd client in the same process does no harm. Fields that we never read
or set are left out; protobuf skips them. Enumerations are plain numbers on the wire and here.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "odradek.etcd"

BYTES, STRING = FieldDescriptorProto.TYPE_BYTES, FieldDescriptorProto.TYPE_STRING
INT64, UINT64 = FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.TYPE_UINT64
BOOL, ENUM = FieldDescriptorProto.TYPE_BOOL, FieldDescriptorProto.TYPE_INT32

MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "Header": {"cluster_id": (1, UINT64), "member_id": (2, UINT64), "revision": (3, INT64), "raft_term": (4, UINT64)},
    "KeyValue": {
        "key": (1, BYTES),
        "create_revision": (2, INT64),
        "mod_revision": (3, INT64),
        "version": (4, INT64),
        "value": (5, BYTES),
        "lease": (6, INT64),
    },
    "Event": {"type": (1, ENUM), "kv": (2, "KeyValue")},
    "RangeRequest": {"key": (1, BYTES), "range_end": (2, BYTES), "limit": (3, INT64), "revision": (4, INT64)},
    "RangeResponse": {"header": (1, "Header"), "kvs": (2, ["KeyValue"]), "more": (3, BOOL)},
    "PutRequest": {"key": (1, BYTES), "value": (2, BYTES), "lease": (3, INT64)},
    "DeleteRangeRequest": {"key": (1, BYTES), "range_end": (2, BYTES)},
    "RequestOp": {"request_put": (2, "PutRequest"), "request_delete_range": (3, "DeleteRangeRequest")},
    "Compare": {
        "result": (1, ENUM),
        "target": (2, ENUM),
        "key": (3, BYTES),
        "version": (4, INT64),
        "create_revision": (5, INT64),
        "mod_revision": (6, INT64),
        "value": (7, BYTES),
        "lease": (8, INT64),
    },
    "TxnRequest": {"compare": (1, ["Compare"]), "success": (2, ["RequestOp"]), "failure": (3, ["RequestOp"])},
    "TxnResponse": {"header": (1, "Header"), "succeeded": (2, BOOL)},
    "CompactionRequest": {"revision": (1, INT64)},
    "CompactionResponse": {"header": (1, "Header")},
    "WatchCreateRequest": {
        "key": (1, BYTES),
        "range_end": (2, BYTES),
        "start_revision": (3, INT64),
        "fragment": (8, BOOL),
    },
    "WatchRequest": {"create_request": (1, "WatchCreateRequest")},
    "WatchResponse": {
        "header": (1, "Header"),
        "created": (3, BOOL),
        "canceled": (4, BOOL),
        "compact_revision": (5, INT64),
        "cancel_reason": (6, STRING),
        "fragment": (7, BOOL),
        "events": (11, ["Event"]),
    },
    "LeaseGrantRequest": {"TTL": (1, INT64)},
    "LeaseGrantResponse": {"header": (1, "Header"), "ID": (2, INT64), "TTL": (3, INT64)},
    "LeaseRevokeRequest": {"ID": (1, INT64)},
    "LeaseRevokeResponse": {"header": (1, "Header")},
    "LeaseKeepAliveRequest": {"ID": (1, INT64)},
    "LeaseKeepAliveResponse": {"header": (1, "Header"), "ID": (2, INT64), "TTL": (3, INT64)},
    "StatusRequest": {},
    "StatusResponse": {
        "header": (1, "Header"),
        "version": (2, STRING),
        "leader": (4, UINT64),
        "isLearner": (10, BOOL),
    },
    "AuthenticateRequest": {"name": (1, STRING), "password": (2, STRING)},
    "AuthenticateResponse": {"header": (1, "Header"), "token": (2, STRING)},
}
"""Message -> field -> (number, type): a scalar's type, the name of a message, or a list of that name when repeated."""


def _describe() -> FileDescriptorProto:
    file = FileDescriptorProto(name="odradek/etcd.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in fields.items():
            _add_field(message.field.add(name=field_name, number=number), kind)
    return file


def _add_field(field: FieldDescriptorProto, kind: Any) -> None:
    is_repeated = isinstance(kind, list)
    field.label = FieldDescriptorProto.LABEL_REPEATED if is_repeated else FieldDescriptorProto.LABEL_OPTIONAL
    kind = kind[0] if is_repeated else kind
    if isinstance(kind, str):
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = kind


def _make_classes() -> dict[str, Any]:
    pool = DescriptorPool()
    pool.AddSerializedFile(_describe().SerializeToString())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}


CLASSES = _make_classes()
"""Message name -> its class. They are made at run time: to a type checker they are Any."""
