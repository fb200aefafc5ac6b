"""Which records of a stream are late: a function of the log alone, so that it is the same live and in a batch.

A record is late when its event time is earlier than the latest one at earlier offsets of its partition, less the
lateness. Records that cannot be read have no part in that.
"""

from odradek.kappa.quoting import quoted

REASON = "_reason"
"""Null for a row that counts; `late`, or `no event time`."""


def judged_sql(rows: str, event_time: str, lateness_ms: int, seen: str) -> str:
    """SELECT over decoded rows of a stream, in any order. `seen`: relation of (partition, latest) before these rows."""
    time = quoted(event_time)
    earlier = (
        f"max({time}) OVER (PARTITION BY _partition ORDER BY _offset ROWS UNBOUNDED PRECEDING EXCLUDE CURRENT ROW)"
    )
    latest = f"greatest({earlier}, seen.latest)"  # Of a null and a time it is the time.
    reason = (
        f"CASE WHEN {time} IS NULL THEN 'no event time' "
        f"WHEN {time} < {latest} - INTERVAL '{lateness_ms} milliseconds' THEN 'late' END"
    )
    joined = f"{rows} AS rows LEFT JOIN {seen} AS seen ON seen.partition = _partition"
    return f"SELECT rows.*, {reason} AS {REASON} FROM {joined}"


def latest_sql(rows: str, event_time: str, seen: str) -> str:
    """What `seen` is after these rows."""
    times = f"SELECT _partition AS partition, {quoted(event_time)} AS latest FROM {rows} UNION ALL FROM {seen}"
    return f"SELECT partition, max(latest) AS latest FROM ({times}) GROUP BY partition"
