"""The file that says what each log consisted of."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.log import inventory
from odradek.log.errors import CorruptFileError
from odradek.log.inventory import Kind, Listing

CHECKPOINT = b"0\n1\nflights 0 1042\n"
FLIGHTS = ("flights", 0, UUID(int=7))
LISTING = Listing(1042, Kind.PLAIN, ((0, 1048551), (734, 402113)))
LINE = "flights 0 00000000000000000000000000000007 1042 plain 0:1048551 734:402113"

listings = st.builds(
    Listing,
    st.integers(-1, 2**63 - 1),
    st.sampled_from(Kind),
    st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**40))).map(tuple),
)
keys = st.tuples(st.from_regex(r"[a-zA-Z0-9._-]{1,20}", fullmatch=True), st.integers(0, 2**31 - 1), st.uuids())


def test_a_line_of_the_file() -> None:
    assert inventory.line_of(FLIGHTS, LISTING) == LINE


@given(st.dictionaries(keys, listings), st.binary())
def test_what_was_written_is_read(wanted: dict[inventory.ListingKey, Listing], checkpoint: bytes) -> None:
    content, identity = inventory.make([inventory.line_of(*each) for each in wanted.items()], checkpoint)
    found = inventory.parse(content)
    assert found.listings == wanted
    assert found.identity == identity
    assert inventory.belongs_to(found, checkpoint)
    assert not inventory.belongs_to(found, checkpoint + b"x")


def test_one_log_less_is_the_same_inventory_with_another_checkpoint() -> None:
    crews = ("crews", 0, UUID(int=8))
    content, identity = inventory.make([inventory.line_of(key, LISTING) for key in (FLIGHTS, crews)], CHECKPOINT)
    found = inventory.parse(inventory.without(content, FLIGHTS, b"another"))
    assert found.listings == {crews: LISTING}
    assert found.identity == identity
    assert inventory.belongs_to(found, b"another")


@given(st.integers(0))
def test_no_byte_can_change_unnoticed(seed: int) -> None:
    content, _ = inventory.make([LINE, LINE.replace("flights", "crews")], CHECKPOINT)
    chance = random.Random(seed)
    damaged = bytearray(content)
    damaged[chance.randrange(len(content) - 1)] ^= chance.randint(1, 255)
    with pytest.raises(CorruptFileError):
        inventory.parse(bytes(damaged))


@pytest.mark.parametrize("content", [b"", b"\n", b"0\n0\n", b"\xff\xfe", bytes(100)])
def test_anything_else_is_no_inventory(content: bytes) -> None:
    with pytest.raises(CorruptFileError):
        inventory.parse(content)


def test_a_later_version_is_not_read() -> None:
    content, _ = inventory.make([LINE], CHECKPOINT)
    body = content.rpartition(b"\n")[0].rpartition(b"\n")[0].replace(b"inventory 1", b"inventory 2") + b"\n"
    with pytest.raises(CorruptFileError, match="version"):
        inventory.parse(body + f"{inventory._crc(body)}\n".encode())
