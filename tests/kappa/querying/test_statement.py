"""What a statement needs of which topic."""

import pytest

from odradek.kappa.client import Range
from odradek.kappa.querying.ranges import cut
from odradek.kappa.querying.statement import Bound, StatementError, read_statement


def bounds(sql: str, topic: str = "flights") -> list[tuple[object, ...]]:
    return [tuple(bound) for bound in read_statement(sql).topics[topic]]


def test_relations_by_name_are_topics_and_nothing_else_is() -> None:
    sql = "WITH w AS (SELECT * FROM flights) SELECT * FROM w JOIN airlines USING (carrier), range(3), read_csv('x.csv')"
    assert set(read_statement(sql).topics) == {"flights", "airlines"}


def test_conditions_on_positions_say_what_is_enough() -> None:
    sql = "SELECT * FROM flights f WHERE f._offset >= 10 AND 20 > _offset AND _partition = 2 AND carrier = 'UA'"
    assert bounds(sql) == [("_offset", "<", 20), ("_offset", ">=", 10), ("_partition", "=", 2)]


def test_a_time_is_utc() -> None:
    assert bounds("FROM flights WHERE _timestamp >= TIMESTAMP '1970-01-01 00:00:01'") == [("_timestamp", ">=", 1000)]
    assert bounds("FROM flights WHERE _timestamp BETWEEN '1970-01-02' AND '1970-01-03'") == [
        ("_timestamp", "<=", 172_800_000),
        ("_timestamp", ">=", 86_400_000),
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM flights WHERE _offset >= 10 OR carrier = 'UA'",
        "SELECT * FROM flights WHERE NOT _offset >= 10",
        "SELECT * FROM flights WHERE other._offset >= 10",
        "SELECT * FROM flights RIGHT JOIN airlines USING (carrier) WHERE flights._offset >= 10",
        "SELECT * FROM airlines LEFT JOIN flights USING (carrier) WHERE flights._offset >= 10",
        "SELECT * FROM flights WHERE _offset >= 10 UNION ALL SELECT * FROM flights",
        "SELECT (SELECT count(*) FROM flights), _offset FROM airlines WHERE _offset >= 10",
        "SELECT * FROM flights WHERE _offset >= 1.5",
    ],
)
def test_where_it_is_not_certain_all_is_read(sql: str) -> None:
    assert bounds(sql) == []


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("DROP TABLE flights", "only SELECT can be asked, not DROP"),
        ("SELECT 1; SELECT 2", "one statement is asked at a time"),
        ("SELEKT 1", "the SQL cannot be read"),
        ("", "one statement is asked at a time"),
        ("COPY flights TO 'x.csv'", "only SELECT can be asked"),
    ],
)
def test_what_is_no_query_is_refused(sql: str, message: str) -> None:
    with pytest.raises(StatementError, match=message):
        read_statement(sql)


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [(">", 3, (4, 9)), (">=", 3, (3, 9)), ("<", 5, (2, 5)), ("<=", 5, (2, 6)), ("=", 5, (5, 6)), ("=", 50, (50, 50))],
)
def test_a_range_is_cut_to_what_fulfils_the_bound(operator: str, value: int, expected: tuple[int, int]) -> None:
    assert cut(Range(2, 9), Bound("_offset", operator, value)) == expected
