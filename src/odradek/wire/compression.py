"""The codecs a batch may be compressed in, over whole blobs (everything after the batch header).

Frames are those of Apache Kafka's clients: gzip, the framing of Java's xerial snappy (plain snappy is read too), LZ4
frames with independent blocks (the Java reader takes no others) and zstd frames. What a blob expands to is bounded,
whatever it claims. CPU-heavy: large blobs belong into the executor.
"""

from struct import Struct

import cramjam

from odradek.host.files import Buffer
from odradek.wire.errors import InvalidBatchError

NONE = 0
GZIP = 1
SNAPPY = 2
LZ4 = 3
ZSTD = 4

DECOMPRESSED_SIZE_MAX = 32 << 20
"""Bytes one blob may expand to: 32 times message.max.bytes by default. A few KiB of zstd can hold gigabytes."""

_DEFAULT_LEVELS = {GZIP: 6, LZ4: 9, ZSTD: 3}
_CODECS = {GZIP: cramjam.gzip, LZ4: cramjam.lz4, ZSTD: cramjam.zstd}

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + Struct(">ii").pack(1, 1)
_XERIAL_CHUNK = Struct(">i")
_XERIAL_CHUNK_SIZE = 32 * 1024
_FIRST_GUESS_MIN = 64 * 1024
_OUTPUT_TOO_SMALL = "write whole buffer"
"""Part of the message of Rust's WriteZero error; every other error means that the input is corrupt."""


def compress(codec: int, blob: Buffer, level: int | None = None) -> bytes:
    """The blob in that codec; `level` None or -1 is Kafka's default. Raises InvalidBatchError for an unknown codec."""
    if codec == NONE:
        return bytes(blob)
    if codec == SNAPPY:
        return _compress_snappy(blob)
    chosen = _DEFAULT_LEVELS.get(codec) if level is None or level == -1 else level
    if codec == LZ4:
        compressor = cramjam.lz4.Compressor(level=chosen, content_checksum=False, block_linked=False)
        compressor.compress(bytes(blob))
        return bytes(compressor.finish())
    if codec not in _CODECS:
        raise InvalidBatchError(f"compression codec {codec} is unknown")
    return bytes(_CODECS[codec].compress(bytes(blob), level=chosen))


def decompress(codec: int, blob: Buffer, size_max: int = DECOMPRESSED_SIZE_MAX) -> Buffer:
    """What the blob holds. Raises InvalidBatchError when it is corrupt or holds more than `size_max` bytes."""
    if codec == NONE:
        return blob
    try:
        if codec == SNAPPY:
            return _decompress_snappy(bytes(blob), size_max)
        if codec in _CODECS:
            return _decompress(codec, bytes(blob), size_max)
    except InvalidBatchError:
        raise
    except (cramjam.DecompressionError, ValueError, OverflowError) as error:
        raise InvalidBatchError(f"the compressed records are corrupt: {error}") from error
    raise InvalidBatchError(f"compression codec {codec} is unknown")


def _decompress(codec: int, blob: bytes, size_max: int) -> memoryview:
    """Into a buffer that is doubled while it is too small, so that memory follows what is there, up to the bound."""
    size = min(max(4 * len(blob), _FIRST_GUESS_MIN), size_max)
    while (found := _decompress_into(codec, blob, size)) is None:
        if size == size_max:
            raise InvalidBatchError(f"the compressed records hold more than {size_max} bytes")
        size = min(2 * size, size_max)
    return found


def _decompress_into(codec: int, blob: bytes, size: int) -> memoryview | None:
    """None when `size` bytes are too few; that buffer is gone before the next one is made."""
    output = bytearray(size)
    try:
        return memoryview(output)[: _CODECS[codec].decompress_into(blob, output)]
    except cramjam.DecompressionError as error:
        if _OUTPUT_TOO_SMALL not in str(error):
            raise
        return None


def _compress_snappy(blob: Buffer) -> bytes:
    view, parts = memoryview(blob), [_XERIAL_HEADER]
    for position in range(0, len(view), _XERIAL_CHUNK_SIZE):
        chunk = bytes(cramjam.snappy.compress_raw(bytes(view[position : position + _XERIAL_CHUNK_SIZE])))
        parts += (_XERIAL_CHUNK.pack(len(chunk)), chunk)
    return b"".join(parts)


def _decompress_snappy(blob: bytes, size_max: int) -> bytes:
    if not blob.startswith(_XERIAL_MAGIC):
        return _decompress_raw_snappy(blob, size_max)
    parts, total, position = [], 0, len(_XERIAL_HEADER)
    while position < len(blob):
        start = position + _XERIAL_CHUNK.size
        size = int.from_bytes(blob[position:start], "big", signed=True)
        if size <= 0 or start + size > len(blob):
            raise InvalidBatchError(f"a snappy chunk of {size} bytes ends beyond the records")
        position = start + size
        parts.append(_decompress_raw_snappy(blob[start:position], size_max - total))
        total += len(parts[-1])
    return b"".join(parts)


def _decompress_raw_snappy(chunk: bytes, size_max: int) -> bytes:
    size = cramjam.snappy.decompress_raw_len(chunk)
    if size > size_max:
        raise InvalidBatchError(f"the compressed records hold {size} bytes, more than {size_max}")
    return bytes(cramjam.snappy.decompress_raw(chunk))
