"""Every request of every version, with any content, is read back as kio wrote it."""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from odradek.wire import messages
from odradek.wire.apis import API_VERSIONS, APIS, FIRST_PRODUCE_VERSION, PRODUCE
from odradek.wire.errors import MalformedRequestError
from tests.wire.kio_frames import module, write

REQUESTS = [
    (api, version)
    for api in APIS
    for version in range(max(api.min_version, FIRST_PRODUCE_VERSION if api.key == PRODUCE else 0), api.max_version + 1)
]
MILLISECOND = timedelta(milliseconds=1)
PRIMITIVES: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
    **{f"int{n}": partial(st.integers, -(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"uint{n}": partial(st.integers, 0, 2**n - 1) for n in (8, 16, 32, 64)},
    "float64": lambda: st.floats(allow_nan=False),
    "string": lambda: st.text(max_size=5),
    "bytes": lambda: st.binary(max_size=200),
    "records": lambda: st.binary(max_size=200),
    "bool": st.booleans,
    "uuid": lambda: st.none() | st.uuids(),
    "error_code": lambda: st.sampled_from(ErrorCode),
    "timedelta_i32": lambda: st.integers(-(2**31), 2**31 - 1).map(lambda n: n * MILLISECOND),
    "timedelta_i64": lambda: st.integers(-(2**40), 2**40).map(lambda n: n * MILLISECOND),
    "datetime_i64": lambda: st.integers(0, 2**41).map(lambda n: datetime(1970, 1, 1, tzinfo=UTC) + n * MILLISECOND),
}


def values_of(annotation: Any, kafka_type: str | None, is_tagged: bool) -> st.SearchStrategy[Any]:
    if get_origin(annotation) is UnionType:
        (inner,) = (each for each in get_args(annotation) if each is not NoneType)
        present = values_of(inner, kafka_type, is_tagged)
        return present if is_tagged else st.none() | present
    if get_origin(annotation) is tuple:
        return st.lists(values_of(get_args(annotation)[0], kafka_type, False), max_size=3).map(tuple)
    if is_dataclass(annotation):
        return entities(annotation)
    assert kafka_type is not None
    return PRIMITIVES[kafka_type]()


def entities(cls: Any) -> st.SearchStrategy[Any]:
    given_fields = {}
    for each in fields(cls):
        values = values_of(each.type, each.metadata.get("kafka_type"), "tag" in each.metadata)
        can_be_left_out = each.default is not MISSING
        given_fields[each.name] = st.just(each.default) | values if can_be_left_out else values
    return st.builds(cls, **given_fields)


def request_class(api: Any, version: int) -> Any:
    camel = "".join(part.capitalize() for part in api.name.split("_"))
    return getattr(module(api.key, version, "request"), f"{camel}Request")


@pytest.mark.parametrize(("api", "version"), REQUESTS, ids=lambda value: getattr(value, "name", value))
def test_requests_written_by_kio_are_read_back(api: Any, version: int) -> None:
    @settings(max_examples=15)
    @given(entities(request_class(api, version)))
    def check(entity: Any) -> None:
        content = write(entity)
        assert messages.read_body(api.key, version, content, 0, len(content)) == entity

    check()


@pytest.mark.parametrize(("api", "version"), REQUESTS, ids=lambda value: getattr(value, "name", value))
def test_a_cut_request_is_refused(api: Any, version: int) -> None:
    @settings(max_examples=5)
    @given(entities(request_class(api, version)))
    def check(entity: Any) -> None:
        content = write(entity)
        for end in range(len(content)):
            with pytest.raises(MalformedRequestError):
                messages.read_body(api.key, version, content, 0, end)

    check()


@pytest.mark.parametrize("count", [b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\x01"])
def test_a_count_of_billions_is_refused_before_anything_is_allocated(count: bytes) -> None:
    with pytest.raises(MalformedRequestError, match="ends beyond"):
        messages.read_body(3, 12, count + bytes(20), 0, 25)


def test_unknown_tagged_fields_are_passed_over() -> None:
    entity = request_class(APIS[[api.key for api in APIS].index(API_VERSIONS)], 3)
    content = write(entity(client_software_name="name", client_software_version="1"))
    with_tags = content[:-1] + b"\x02\x63\x03abc\x64\x00"
    assert messages.read_body(API_VERSIONS, 3, with_tags, 0, len(with_tags)) == entity(
        client_software_name="name", client_software_version="1"
    )


def test_for_ever_is_longer_than_anything_else() -> None:
    """Offsets to be kept for ever: OffsetCommit 2 with the largest number of milliseconds."""
    entity = module(8, 2, "request").OffsetCommitRequest
    body = b"\0\x01g" + b"\xff\xff\xff\xff" + b"\0\0" + (2**63 - 1).to_bytes(8, "big") + b"\0\0\0\0"
    found = messages.read_body(8, 2, memoryview(body), 0, len(body))
    assert isinstance(found, entity)
    assert found.retention_time > timedelta(days=365 * 1_000_000)
