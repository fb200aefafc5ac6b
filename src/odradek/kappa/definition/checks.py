"""What a schema cannot say: values that must fit together."""

from difflib import get_close_matches

from odradek.kappa.definition.columns import ALLOWED, column_type
from odradek.kappa.definition.document import Document, Place
from odradek.kappa.definition.model import Topic
from odradek.kappa.definition.quantities import DURATIONS, duration_ms, every


def check_topic(document: Document, name: str, topic: Topic) -> None:
    """Raises DefinitionError."""
    place: Place = ("topics", name)
    _check_schema(document, place, topic)
    if topic.event_time is not None:
        found = topic.schema.get(_known(document, (*place, "event_time"), topic.event_time, topic))
        kind = column_type(found or "")
        if kind is None or kind.sql != "TIMESTAMP":
            raise document.error(
                (*place, "event_time"), f"{topic.event_time} must be timestamp or epoch_ms, not {found}"
            )
    if topic.key is not None:
        _known(document, (*place, "key"), topic.key.field, topic)
    if duration_ms(topic.lateness) is None:
        raise document.error((*place, "lateness"), f"{topic.lateness!r} must be {DURATIONS}")
    _check_snapshot(document, (*place, "snapshot"), topic)
    if topic.table and topic.format == "raw":
        raise document.error((*place, "table"), "a table needs columns: format must be json or csv")


def _check_snapshot(document: Document, place: Place, topic: Topic) -> None:
    snapshot = topic.snapshot
    if snapshot is None:
        return
    if every(snapshot.every) is None:
        raise document.error((*place, "every"), f"{snapshot.every!r} must be TIME|SIZE, as in 60s|128MB")
    if snapshot.partition is not None:
        transform, column = snapshot.partition.removesuffix(")").split("(")
        found = column_type(topic.schema.get(_known(document, (*place, "partition"), column, topic), ""))
        if found is not None and transform in _OF_TIME and found.sql not in _OF_TIME[transform]:
            kinds = " or ".join(_OF_TIME[transform]).lower()
            raise document.error((*place, "partition"), f"{transform} needs a {kinds} column, {column} is {found.sql}")


_OF_TIME = {
    "hour": ("TIMESTAMP",),
    "day": ("TIMESTAMP", "DATE"),
    "month": ("TIMESTAMP", "DATE"),
    "year": ("TIMESTAMP", "DATE"),
}


def _check_schema(document: Document, place: Place, topic: Topic) -> None:
    if topic.format == "raw" and topic.schema:
        raise document.error((*place, "schema"), "a raw topic has no columns of its own: leave it out")
    if topic.format != "raw" and not topic.schema:
        raise document.error(place, f"lacks schema: a {topic.format} topic needs its columns")
    seen: dict[str, str] = {}
    for column, text in topic.schema.items():
        here = (*place, "schema", column)
        if column_type(text) is None:
            raise document.error(here, f"{text!r} is no type; known are {ALLOWED}")
        if column.lower() in seen:
            raise document.error(here, f"is {seen[column.lower()]} again: SQL does not tell letters' case apart")
        seen[column.lower()] = column


def _known(document: Document, place: Place, column: str, topic: Topic) -> str:
    if column in topic.schema:
        return column
    near = get_close_matches(column, topic.schema, 1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(topic.schema) or 'none'}"
    raise document.error(place, f"{column} is not in the schema; {advice}")
