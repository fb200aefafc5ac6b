"""What a schema cannot say: values that must fit together."""

from difflib import get_close_matches

from odradek.kappa.definition.columns import ALLOWED, column_type
from odradek.kappa.definition.document import Document, Place
from odradek.kappa.definition.model import Topic


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
    if topic.table and topic.format == "raw":
        raise document.error((*place, "table"), "a table needs columns: format must be json or csv")


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
