"""A view over all of its inputs at once."""

import duckdb

from odradek.kappa.quoting import quoted
from odradek.kappa.views.engine.lateness import REASON, judged_sql
from odradek.kappa.views.plan import ViewPlan

NOTHING_SEEN = "(SELECT NULL::INTEGER AS partition, NULL::TIMESTAMP AS latest WHERE false)"


def run_batch(connection: duckdb.DuckDBPyConnection, plan: ViewPlan, stream: str, lateness_ms: int) -> int:
    """Makes the relation of the view's name from the stream's decoded rows and the tables' current ones.

    Tables are relations of the names that `table_name` gives. Returns how many rows were late.
    """
    judged = judged_sql(stream, plan.stream.event_time, lateness_ms, NOTHING_SEEN)
    connection.execute(f'CREATE TEMP TABLE "odradek judged" AS {judged}')
    on_time = f'(SELECT * FROM "odradek judged" WHERE {REASON} IS NULL)'
    state = f"({plan.combine_sql.format(state=f'({plan.partial_sql.format(stream=on_time)})')})"
    joined = f"({plan.joined_sql.format(state=state)})"
    columns = ", ".join(quoted(column) for column in plan.output)
    connection.execute(
        f"CREATE TEMP TABLE {quoted(plan.name)} AS SELECT {columns} FROM ({plan.final_sql.format(joined=joined)})"
    )
    late = connection.execute(f'SELECT count(*) FROM "odradek judged" WHERE {REASON} IS NOT NULL').fetchone()
    connection.execute('DROP TABLE "odradek judged"')
    return int(late[0]) if late else 0
