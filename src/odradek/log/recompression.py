"""Topics whose compression.type is not `producer`: a batch in another codec is compressed anew as one blob.

The work is CPU-heavy: it runs in the executor, before the append (`preparation`).
"""

from typing import TYPE_CHECKING

from kio.schema.errors import ErrorCode

from odradek.log.append import AppendRefusal, too_large
from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import (
    ATTRIBUTES_OFFSET,
    COMPRESSION_MASK,
    HEADER_SIZE,
    LOG_OVERHEAD,
    MAGIC,
    crc_is_valid,
    read_header,
    set_crc,
)

if TYPE_CHECKING:
    from odradek.config import TopicConfig

PRODUCER = "producer"
CODECS = {"uncompressed": 0, "none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""Values of compression.type and their number in a batch's attributes."""


def needs_recompression(records: memoryview | bytearray, config: "TopicConfig") -> bool:
    """Whether the batch's codec is not the topic's. False for bytes that are no batch: append says why."""
    if config.compression_type == PRODUCER or len(records) < HEADER_SIZE:
        return False
    return records[ATTRIBUTES_OFFSET + 1] & COMPRESSION_MASK != CODECS[config.compression_type]


def level_of(config: "TopicConfig") -> int | None:
    """The configured level of the topic's codec, None where it has none."""
    levels = {
        "gzip": config.compression_gzip_level,
        "lz4": config.compression_lz4_level,
        "zstd": config.compression_zstd_level,
    }
    return levels.get(config.compression_type)


def in_topic_codec(records: memoryview, config: "TopicConfig") -> memoryview:
    """The batch as the topic wants it, itself when it is so already.

    Raises AppendRefusal: INVALID_RECORD when it cannot be unpacked, MESSAGE_TOO_LARGE when it has grown too much.
    """
    if not needs_recompression(records, config):
        return records
    try:
        recompressed = recompress(records, CODECS[config.compression_type], level_of(config))
    except InvalidBatchError as error:
        raise AppendRefusal(ErrorCode.invalid_record, f"the records cannot be decompressed: {error}") from error
    if len(recompressed) > config.max_message_bytes:
        raise too_large(len(recompressed), config)
    return memoryview(recompressed)


def recompress(records: bytes | bytearray | memoryview, codec: int, level: int | None) -> bytearray:
    """The same batch with its records in another codec, CRC and length to match. Raises InvalidBatchError.

    Pure. Bytes that are not exactly one intact batch come back as they are: append says what is wrong with them.
    """
    from odradek.wire.compression import compress, decompress  # Compression libraries are loaded when first needed.

    header = read_header(records)
    if header.size != len(records) or header.magic != MAGIC or not crc_is_valid(records, 0, header):
        return bytearray(records)
    blob = decompress(header.compression, memoryview(records)[HEADER_SIZE:])
    patched = bytearray(memoryview(records)[:HEADER_SIZE])
    patched += compress(codec, blob, level)
    patched[8:LOG_OVERHEAD] = (len(patched) - LOG_OVERHEAD).to_bytes(4, "big")
    patched[ATTRIBUTES_OFFSET + 1] = patched[ATTRIBUTES_OFFSET + 1] & ~COMPRESSION_MASK | codec
    set_crc(patched, 0)
    return patched
