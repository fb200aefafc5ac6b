"""Columns that hold all that was seen."""

from typing import Any

import pytest

from odradek.kappa.querying.structure import columns_of_all


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["UBIGINT", "BIGINT"], "BIGINT"),
        (["UBIGINT", "DOUBLE"], "DOUBLE"),
        (["NULL", "VARCHAR"], "VARCHAR"),
        (["NULL"], "JSON"),
        (["VARCHAR", "UBIGINT"], "JSON"),
        ([["UBIGINT"], ["NULL"]], "BIGINT[]"),
        ([["UBIGINT"], ["VARCHAR"]], "JSON"),
        ([["NULL"]], "JSON"),
        ([["UBIGINT"], "UBIGINT"], "JSON"),
        ([{"b": "UBIGINT"}, "NULL"], "JSON"),
        (["HUGEINT", "UBIGINT"], "DOUBLE"),
    ],
)
def test_the_narrowest_type_of_all_values_is_the_columns(kinds: list[Any], expected: str) -> None:
    for order in (kinds, kinds[::-1]):
        assert columns_of_all({"a": kind} for kind in order) == {"a": expected}


def test_columns_come_in_the_order_they_are_first_seen() -> None:
    assert list(columns_of_all([{"b": "VARCHAR"}, {"a": "VARCHAR", "b": "VARCHAR"}, "JSON"])) == ["b", "a"]
