"""Whatever arrives, decoding ends with a request or with the one declared error, and allocates no more than arrived."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.wire import fetch, messages, produce
from odradek.wire.apis import APIS, FIRST_PRODUCE_VERSION, PRODUCE
from odradek.wire.errors import InvalidBatchError, MalformedRequestError
from odradek.wire.frame import read_request_header
from odradek.wire.record_codec import Record, decode_batch, encode_batch
from odradek.wire.records import batches
from tests.wire.test_fetch import kio_request as kio_fetch
from tests.wire.test_produce import kio_request as kio_produce

BY_KIO = [
    (api, version)
    for api in APIS
    for version in range(max(api.min_version, FIRST_PRODUCE_VERSION if api.key == PRODUCE else 0), api.max_version + 1)
]


def mutated(content: bytes, position: int, value: int, end: int) -> bytes:
    changed = bytearray(content)
    changed[position % len(changed)] = value
    return bytes(changed[: end % (len(changed) + 1)])


@given(st.binary(max_size=64))
def test_a_request_header_is_read_or_refused(content: bytes) -> None:
    try:
        header = read_request_header(content, 0, len(content))
    except MalformedRequestError:
        return
    assert header.body <= len(content)


@given(st.sampled_from(BY_KIO), st.binary(max_size=120))
def test_bodies_read_by_kio_are_read_or_refused(api_version: tuple[Any, int], content: bytes) -> None:
    api, version = api_version
    try:
        messages.read_body(api.key, version, content, 0, len(content))
    except MalformedRequestError:
        return


@given(st.integers(3, 13), st.binary(max_size=120))
def test_produce_requests_of_any_bytes_are_read_or_refused(version: int, content: bytes) -> None:
    try:
        produce.read_request(memoryview(content), 0, len(content), version)
    except MalformedRequestError:
        return


@given(st.integers(4, 18), st.binary(max_size=120))
def test_fetch_requests_of_any_bytes_are_read_or_refused(version: int, content: bytes) -> None:
    try:
        fetch.read_request(memoryview(content), 0, len(content), version)
    except MalformedRequestError:
        return


@given(st.integers(3, 13), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_produce_requests_with_a_byte_changed_are_read_or_refused(
    version: int, position: int, value: int, end: int
) -> None:
    whole = kio_produce(version, [("topic", {0: b"abc", 1: b"defg"}), ("other", {2: b"h"})], None)
    content = mutated(whole, position, value, end)
    try:
        header = read_request_header(content, 0, len(content))
        request = produce.read_request(memoryview(content), header.body, len(content), version)
    except MalformedRequestError:
        return
    assert sum(len(each.records or b"") for _, partitions in request.topics for each in partitions) <= len(content)


@given(st.integers(4, 18), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_fetch_requests_with_a_byte_changed_are_read_or_refused(
    version: int, position: int, value: int, end: int
) -> None:
    content = mutated(kio_fetch(version, 3), position, value, end)
    try:
        header = read_request_header(content, 0, len(content))
        request = fetch.read_request(memoryview(content), header.body, len(content), version)
    except MalformedRequestError:
        return
    assert sum(len(partitions) for _, partitions in request.topics) <= len(content)


@pytest.mark.parametrize("version", range(4, 19))
def test_every_cut_of_a_fetch_request_is_refused(version: int) -> None:
    content = kio_fetch(version)
    body = read_request_header(content, 0, len(content)).body
    for end in range(body, len(content)):
        with pytest.raises(MalformedRequestError):
            fetch.read_request(memoryview(content), body, end, version)


@pytest.mark.parametrize("version", range(3, 14))
def test_every_cut_of_a_produce_request_is_refused(version: int) -> None:
    content = kio_produce(version, [("topic", {0: b"abc"})], "tx")
    body = read_request_header(content, 0, len(content)).body
    for end in range(body, len(content)):
        with pytest.raises(MalformedRequestError):
            produce.read_request(memoryview(content), body, end, version)


@given(st.integers(0, 4), st.integers(0, 400), st.integers(0, 255), st.integers(0, 400))
def test_batches_with_a_byte_changed_are_decoded_or_refused(codec: int, position: int, value: int, end: int) -> None:
    records = [Record(0, 1000 + i, b"key", b"value" * i, (("h", b"x"),)) for i in range(4)]
    content = mutated(encode_batch(records, codec=codec), position, value, end)
    try:
        list(batches(content))
        decode_batch(content)
    except InvalidBatchError:
        return


@given(st.binary(max_size=200))
def test_batches_of_any_bytes_are_walked_or_refused(content: bytes) -> None:
    try:
        found = list(batches(content))
    except InvalidBatchError:
        return
    assert sum(header.size for _, header in found) <= len(content)
