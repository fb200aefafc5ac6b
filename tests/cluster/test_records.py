"""Values of the metadata store: any bytes are a record or refused."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from odradek.cluster import records
from odradek.cluster.records import Record, decode

KINDS = sorted((each for each in Record.__subclasses__()), key=lambda kind: kind.__name__)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def is_read(kind: type[Record], value: bytes) -> bool:
    try:
        found = decode(kind, value)
    except msgspec.DecodeError:
        return False
    assert decode(kind, found.encode()) == found
    return True


def test_every_kind_is_tried() -> None:
    assert records.TopicRecord in KINDS
    assert len(KINDS) >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_any_bytes_are_a_record_or_refused(kind: type[Record]) -> None:
    @given(st.binary(max_size=100))
    @example(b"")
    @example(b'{"value": ' + b"9" * 5000 + b"}")
    def check(value: bytes) -> None:
        is_read(kind, value)

    check()


@pytest.mark.parametrize("kind", KINDS)
def test_objects_with_the_right_names_and_any_values_are_a_record_or_refused(kind: type[Record]) -> None:
    names = [each.encode_name for each in msgspec.structs.fields(kind)]

    @given(st.dictionaries(st.sampled_from(names), JSON, max_size=len(names)))
    def check(values: dict[str, object]) -> None:
        is_read(kind, msgspec.json.encode(values))

    check()
