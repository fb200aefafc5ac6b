"""What a view may be, what it becomes, and what is said of anything else."""

import pytest

from odradek.kappa.decoding import connect
from odradek.kappa.views.engine import ViewState
from odradek.kappa.views.plan import Relation, ViewError, Window, compile_view

POSITION = {"_partition": "INTEGER", "_offset": "BIGINT", "_timestamp": "TIMESTAMP"}
FLIGHTS = {"sched_dep": "TIMESTAMP", "carrier": "VARCHAR", "tailnum": "VARCHAR", "flight": "INTEGER", "delay": "DOUBLE"}
RELATIONS = {
    "flights": Relation("flights", {**POSITION, **FLIGHTS}, "sched_dep"),
    "clicks": Relation("clicks", {**POSITION, "page": "VARCHAR"}),
    "airlines": Relation("airlines", {"carrier": "VARCHAR", "name": "VARCHAR"}, is_table=True, key="carrier"),
    "planes": Relation("planes", {"tailnum": "VARCHAR", "seats": "INTEGER"}, is_table=True, key="tailnum"),
}


def test_columns_come_in_their_order_with_their_types() -> None:
    sql = "SELECT count(*) AS n, carrier, avg(delay) AS mean, min(sched_dep) FROM flights GROUP BY carrier"
    plan = compile_view("v", sql, RELATIONS)
    assert list(plan.output.items())[:3] == [("n", "BIGINT"), ("carrier", "VARCHAR"), ("mean", "DOUBLE")]
    assert list(plan.output.values())[3] == "TIMESTAMP"


@pytest.mark.parametrize(
    ("call", "window"),
    [
        ("TUMBLE(sched_dep, INTERVAL '1' HOUR)", Window(3_600_000, 3_600_000)),
        ("TUMBLE(sched_dep, INTERVAL 1 day)", Window(86_400_000, 86_400_000)),
        ("HOP(sched_dep, INTERVAL '5 minutes', INTERVAL '1 hour')", Window(3_600_000, 300_000)),
    ],
)
def test_a_window_has_a_size_and_a_slide(call: str, window: Window) -> None:
    plan = compile_view("v", f"SELECT {call} AS w, count(*) AS n FROM flights GROUP BY w", RELATIONS)
    assert plan.window == window
    assert plan.output["w"] == "TIMESTAMP"


def test_the_record_s_time_is_the_event_time_unless_another_is_named() -> None:
    sql = "SELECT TUMBLE(_timestamp, INTERVAL '1 hour') AS w, count(*) AS n FROM clicks GROUP BY w"
    assert compile_view("v", sql, RELATIONS).window == Window(3_600_000, 3_600_000)


@pytest.mark.parametrize(
    "join",
    [
        "JOIN airlines USING (carrier)",
        "LEFT JOIN airlines a ON a.carrier = f.carrier",
        "JOIN airlines ON f.carrier = airlines.carrier",
        "JOIN airlines ON airlines.carrier = upper(f.carrier)",
        "LEFT JOIN airlines USING (carrier) LEFT JOIN planes ON f.tailnum = planes.tailnum",
    ],
)
def test_tables_are_joined_by_their_key(join: str) -> None:
    plan = compile_view("v", f"SELECT name, count(*) AS n FROM flights f {join} GROUP BY name", RELATIONS)
    assert plan.joins[0].relation == "airlines"
    assert plan.joins[0].is_left == join.startswith("LEFT")


@pytest.mark.parametrize("group", ["upper(carrier)", "1", "ALL", "c"])
def test_groups_may_be_named_numbered_or_all(group: str) -> None:
    plan = compile_view("v", f"SELECT upper(carrier) AS c, count(*) AS n FROM flights GROUP BY {group}", RELATIONS)
    assert list(plan.output) == ["c", "n"]
    assert len(plan.groups) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT carrier, regexp_matches(carrier, 'a{2}') AS m FROM flights",
        "SELECT '{stream}' AS j, {'a': flight} AS s, count(*) AS \"{n}\" FROM flights "
        "WHERE carrier <> '{}' GROUP BY ALL",
        "SELECT sum(flight) AS flight FROM flights HAVING sum(flight) > 15",
    ],
)
def test_braces_and_names_of_columns_are_no_hindrance(sql: str) -> None:
    assert compile_view("v", sql, RELATIONS).output


@pytest.mark.parametrize("name", ["state", "joined", "stream", "result", "seen", "late", "offsets", "meta", "delta"])
def test_a_table_may_have_any_name(name: str) -> None:
    table = Relation(name, {"carrier": "VARCHAR", "name": "VARCHAR"}, is_table=True, key="carrier")
    sql = f"SELECT {name}.name, count(*) AS n FROM flights JOIN {name} USING (carrier) GROUP BY {name}.name"
    plan = compile_view("v", sql, {**RELATIONS, name: table})
    with connect() as connection:
        assert ViewState(connection, plan, "1", 0).offsets() == {}


def test_the_same_aggregate_twice_is_kept_once() -> None:
    plan = compile_view("v", "SELECT avg(delay) AS a, avg(delay) * 2 AS b, sum(delay) AS c FROM flights", RELATIONS)
    assert plan.partials == ("p0", "p1")  # The average has the sum.


REFUSED = [
    ("SELECT median(delay) FROM flights", "cannot be kept up to date from parts; count, sum, min, max, avg and"),
    ("SELECT count(DISTINCT carrier) FROM flights", "approx_count_distinct can"),
    ("SELECT string_agg(carrier, ',') FROM flights", "cannot be kept up to date from parts"),
    ("SELECT sum(delay ORDER BY flight) FROM flights", "an order has no meaning"),
    ("SELECT carrier, count_star() AS n FROM flights GROUP BY carrier", "cannot be kept up to date from parts"),
    ("SELECT flight, product(flight) AS p FROM flights GROUP BY flight", "cannot be kept up to date from parts"),
    ("SELECT mean(delay) AS m FROM flights", "cannot be kept up to date from parts; count, sum, min, max, avg and"),
    ("SELECT carrier, any_value(flight) AS a FROM flights GROUP BY carrier", "cannot be kept up to date from parts"),
    ("SELECT carrier, max(flight, 2) AS m FROM flights GROUP BY carrier", "takes one argument here"),
    ("SELECT count(flight, delay) AS n FROM flights", "takes one argument here"),
    ("SELECT approx_count_distinct(flight, 3) AS n FROM flights", "takes one argument here"),
    ("SELECT localtimestamp AS t, carrier FROM flights", "gives another answer each time"),
    ("SELECT localtime AS t, carrier FROM flights", "gives another answer each time"),
    ("SELECT current_user AS u, carrier FROM flights", "gives another answer each time"),
    ("SELECT version() AS v, carrier FROM flights", "gives another answer each time"),
    ("SELECT carrier, 'now'::TIMESTAMP AS t FROM flights", "Conversion Error"),
    ("SELECT carrier FROM flights TABLESAMPLE 10%", "only its name and an alias"),
    ("SELECT a FROM flights AS f(a, b)", "only its name and an alias"),
    ("SELECT carrier, ARRAY(SELECT 1) AS x FROM flights", "a subquery is not supported"),
    ("SELECT unnest([1, 2]) AS x, count(*) AS n FROM flights GROUP BY x", "UNNEST is not supported"),
    (
        "SELECT count(*) AS n FROM flights "
        "WHERE HOP(sched_dep, INTERVAL '5 minutes', INTERVAL '1 hour') > TIMESTAMP '2013-01-01'",
        "a row is in several windows of HOP: group by it",
    ),
    ("SELECT now(), carrier FROM flights", "gives another answer each time"),
    ("SELECT random() + flight AS r FROM flights", "random gives another answer each time"),
    ("SELECT current_date AS d FROM flights", "gives another answer each time"),
    ("SELECT age(sched_dep) AS a FROM flights", "age gives another answer each time"),
    ("SELECT carrier, count(*) FROM flights", "must be in GROUP BY or in an aggregate"),
    ("SELECT carier FROM flights", "there is no column carier; did you mean carrier?"),
    ("SELECT f.name FROM flights f JOIN airlines a USING (carrier)", "there is no column f.name"),
    ("SELECT x.carrier FROM flights f", "there is no relation x; known are f"),
    (
        "SELECT carrier FROM flights f JOIN airlines a ON f.carrier = a.carrier",
        "carrier is ambiguous: write f.carrier or",
    ),
    ("SELECT * FROM flights", "* is not supported"),
    ("SELECT count(*) FROM fligths", "there is no topic or view fligths in the definition; did you mean flights?"),
    ("SELECT count(*) FROM read_csv('x.csv')", "is no topic or view of the definition"),
    ("SELECT name FROM airlines", "airlines is a table: FROM needs a stream"),
    ("SELECT flight FROM flights JOIN clicks ON page = carrier", "clicks is a stream: only topics with `table: true`"),
    ("SELECT flight FROM flights JOIN airlines ON airlines.name = flights.carrier", "ON must be airlines.carrier ="),
    ("SELECT flight FROM flights RIGHT JOIN airlines USING (carrier)", "JOIN and LEFT JOIN are supported"),
    ("SELECT flight FROM flights JOIN airlines ON true", "ON must be airlines.carrier ="),
    ("SELECT flight FROM flights, airlines", "ON is needed"),
    ("SELECT sum(seats) FROM flights JOIN planes USING (tailnum)", "a table's column in an aggregate"),
    ("SELECT sum(count(*)) FROM flights", "an aggregate of an aggregate"),
    ("SELECT flight FROM flights WHERE count(*) > 1", "HAVING is its place"),
    ("SELECT count(*) AS n FROM flights GROUP BY n", "an aggregate cannot be grouped by"),
    ("SELECT carrier, count(*) FROM flights GROUP BY 3", "GROUP BY 3: there are 2 columns"),
    ("SELECT carrier, count(*) FROM flights GROUP BY ROLLUP (carrier)", "only plain expressions can be grouped by"),
    ("SELECT DISTINCT carrier FROM flights", "DISTINCT is not supported"),
    ("SELECT carrier FROM flights ORDER BY 1", "ORDER BY is not supported"),
    ("SELECT carrier FROM flights LIMIT 1", "LIMIT is not supported"),
    ("WITH w AS (SELECT 1) SELECT * FROM w", "WITH is not supported"),
    ("SELECT row_number() OVER () AS n FROM flights", "a function OVER rows is not supported"),
    ("SELECT (SELECT 1) AS x FROM flights", "a subquery is not supported"),
    ("SELECT carrier FROM flights UNION ALL SELECT carrier FROM flights", "it must be one SELECT, not UNION"),
    ("DROP TABLE flights", "it must be one SELECT, not DROP"),
    ("SELECT 1; SELECT 2", "it must be one SELECT, not 2 statements"),
    ("SELECT 1", "it lacks FROM"),
    ("", "it must be one SELECT, not nothing"),
    ("SELECT FROM WHERE", "the SQL cannot be read"),
    ("SELECT carrier, carrier FROM flights", "two columns are called carrier"),
    ("SELECT sum(carrier) FROM flights", "No function matches"),
    ("SELECT nope(carrier) AS x FROM flights", "nope does not exist"),
    ("SELECT SESSION(sched_dep, INTERVAL '1 hour') AS w, count(*) FROM flights GROUP BY w", "SESSION windows are not"),
    (
        "SELECT TUMBLE(_timestamp, INTERVAL '1 hour') AS w, count(*) FROM flights GROUP BY w",
        "must be of the event time",
    ),
    (
        "SELECT TUMBLE(sched_dep, INTERVAL '1 month') AS w, count(*) FROM flights GROUP BY w",
        "must be an interval above",
    ),
    (
        "SELECT TUMBLE(sched_dep, INTERVAL '0 hours') AS w, count(*) FROM flights GROUP BY w",
        "must be an interval above",
    ),
    ("SELECT TUMBLE(sched_dep) AS w, count(*) FROM flights GROUP BY w", "must be TUMBLE(time, size)"),
    (
        "SELECT HOP(sched_dep, INTERVAL '2 hours', INTERVAL '1 hour') AS w, count(*) FROM flights GROUP BY w",
        "the slide must be from 1/1,000 of the size to all of it",
    ),
    (
        "SELECT TUMBLE(sched_dep, INTERVAL '1 hour') AS a, TUMBLE(sched_dep, INTERVAL '1 day') AS b, count(*) AS n "
        "FROM flights GROUP BY ALL",
        "only one window of time",
    ),
    ("SELECT window_end(carrier) AS e FROM flights", "must be of the window, or of its name"),
]


@pytest.mark.parametrize(("sql", "message"), REFUSED)
def test_what_cannot_be_kept_up_to_date_is_refused_by_name(sql: str, message: str) -> None:
    with pytest.raises(ViewError) as refused:
        compile_view("delays", sql, RELATIONS)
    assert str(refused.value).startswith("view delays: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
