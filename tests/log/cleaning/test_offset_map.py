"""The map of keys: what was put in last is found, in memory that does not grow."""

from hypothesis import given
from hypothesis import strategies as st

from odradek.log.cleaning.offset_map import ABSENT, SLOT_SIZE, OffsetMap


@given(st.lists(st.binary(max_size=20), max_size=200))
def test_the_last_offset_of_each_key_is_found_and_of_no_other(keys: list[bytes]) -> None:
    offsets = OffsetMap(1 << 20, 0.9, len(keys))
    for offset, key in enumerate(keys):
        offsets.put(key, offset)
    assert {key: offsets.get(key) for key in keys} == {key: offset for offset, key in enumerate(keys)}
    assert offsets.size == len(set(keys))
    assert offsets.get(b"a key longer than any of these") == ABSENT
    assert offsets.latest_offset == len(keys) - 1


def test_it_is_full_at_its_load_factor_and_every_search_ends() -> None:
    offsets = OffsetMap(10 * SLOT_SIZE, 0.9, 1000)
    number = 0
    while not offsets.is_full:
        offsets.put(b"%d" % number, number)
        number += 1
    assert number == 9
    assert offsets.get(b"absent") == ABSENT
    assert offsets.utilization == 0.9


def test_memory_for_few_keys_is_small_however_much_is_allowed() -> None:
    offsets = OffsetMap(128 << 20, 0.9, 100)
    assert len(offsets._table) < 4096


def test_the_smallest_memory_still_takes_a_key() -> None:
    offsets = OffsetMap(1, 0.5, 1000)
    offsets.put(b"a", 7)
    assert offsets.is_full
    assert offsets.get(b"a") == 7
