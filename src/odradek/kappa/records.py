"""Records of the log as Arrow columns."""

import pyarrow as pa

HEADER = pa.struct([("key", pa.string()), ("value", pa.binary())])
RECORDS = pa.schema(
    [
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("_timestamp", pa.timestamp("ms")),
        ("_key", pa.binary()),
        ("_value", pa.binary()),
        ("_headers", pa.list_(HEADER)),
    ]
)
"""`_timestamp` is UTC without a zone; a null `_value` is a tombstone; `_headers` are null unless asked for."""
