"""The proof finds everything that can go wrong between a producer and a group."""

import pytest

from odradek.demo.proof import Witness

ROWS = {"a": 0, "b": 1, "c": 2}


@pytest.fixture
def witness() -> Witness:
    return Witness("g", ROWS)


def test_everything_seen_in_order_is_proven(witness: Witness) -> None:
    witness.saw(0, 0, b"N1", "a")
    witness.saw(1, 0, b"N2", "b")
    assert witness.findings().missing == 1
    witness.saw(0, 1, b"N1", "c")
    assert witness.is_complete
    assert witness.findings().is_proven


def test_a_missing_record_is_found(witness: Witness) -> None:
    witness.saw(0, 0, b"N1", "a")
    findings = witness.findings()
    assert (findings.missing, findings.is_proven) == (2, False)


def test_a_record_stored_twice_is_found(witness: Witness) -> None:
    for offset, identity in enumerate("abca"):
        witness.saw(0, offset, None, identity)
    findings = witness.findings()
    assert (findings.duplicated, findings.missing, findings.is_proven) == (1, 0, False)


def test_a_record_nobody_produced_is_found(witness: Witness) -> None:
    for offset, identity in enumerate("abcx"):
        witness.saw(0, offset, None, identity)
    findings = witness.findings()
    assert (findings.unknown, findings.is_proven) == (1, False)


def test_order_counts_for_each_aircraft_by_itself(witness: Witness) -> None:
    witness.saw(0, 0, b"N1", "c")
    witness.saw(0, 1, b"N2", "b")
    assert witness.findings().out_of_order == 0
    witness.saw(0, 2, b"N1", "a")
    findings = witness.findings()
    assert (findings.out_of_order, findings.missing, findings.is_proven) == (1, 0, False)


def test_records_without_an_aircraft_have_no_order(witness: Witness) -> None:
    for offset, identity in enumerate("cba"):
        witness.saw(0, offset, None, identity)
    assert witness.findings().is_proven


def test_a_skipped_offset_is_found(witness: Witness) -> None:
    for offset, identity in ((0, "a"), (1, "b"), (3, "c")):
        witness.saw(0, offset, None, identity)
    findings = witness.findings()
    assert (findings.skipped_offsets, findings.is_proven) == (1, False)


def test_reading_again_after_a_rebalance_is_allowed_and_told(witness: Witness) -> None:
    for offset, identity in ((0, "a"), (1, "b"), (1, "b"), (2, "c")):
        witness.saw(0, offset, b"N1", identity)
    findings = witness.findings()
    assert (findings.redelivered, findings.is_proven) == (1, True)
