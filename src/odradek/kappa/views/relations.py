"""Topics of a definition as relations that a view may read."""

from odradek.kappa.decoding import columns_of
from odradek.kappa.definition.model import Definition, Topic
from odradek.kappa.definition.quantities import duration_ms
from odradek.kappa.views.plan import Relation, ViewPlan, compile_view

POSITION = {"_partition": "INTEGER", "_offset": "BIGINT", "_timestamp": "TIMESTAMP", "_key": "BLOB"}
"""Columns that every stream has."""


def relation_of(name: str, topic: Topic) -> Relation:
    """A table has its key as a column; one without a key column cannot be joined."""
    columns = columns_of(topic)
    if topic.table:
        return Relation(name, columns, is_table=True, key=None if topic.key is None else topic.key.field)
    return Relation(name, {**POSITION, **columns}, topic.event_time or "_timestamp")


def compile_defined(definition: Definition, view: str) -> ViewPlan:
    """Raises ViewError."""
    relations = {name: relation_of(name, topic) for name, topic in definition.topics.items()}
    return compile_view(view, definition.views[view].sql, relations)


def lateness_ms(topic: Topic) -> int:
    found = duration_ms(topic.lateness)
    assert found is not None
    return found
