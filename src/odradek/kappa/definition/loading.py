"""From the file to a definition, or to the one line that says what is wrong with it."""

from pathlib import Path
from typing import Any

import msgspec

from odradek.kappa.definition import schema
from odradek.kappa.definition.checks import check_topic
from odradek.kappa.definition.document import Document, read_document
from odradek.kappa.definition.model import Definition
from odradek.kappa.errors import KappaError

SIZE_MAX = 1 << 20
"""Bytes of the file."""


def load(path: Path) -> Definition:
    """Raises KappaError when it cannot be read, DefinitionError for a mistake in it."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise KappaError(f"{path}: {error.strerror}") from error
    if len(content) > SIZE_MAX:
        raise KappaError(f"{path}: is larger than {SIZE_MAX:,} bytes")
    try:
        return parse(content.decode(), str(path))
    except UnicodeDecodeError as error:
        raise KappaError(f"{path}: is no UTF-8 text (byte {error.start:,})") from error


def parse(text: str, name: str = "kappa.yaml") -> Definition:
    """As `load`, for text."""
    document = read_document(name, text)
    if document.content is None:
        return Definition()
    schema.check(document)
    definition = msgspec.convert(_normal(document), Definition)
    for topic_name, topic in definition.topics.items():
        check_topic(document, topic_name, topic)
    return definition


def _normal(document: Document) -> Any:
    """Short forms written out, and names that Python reserves replaced."""
    topics = {name: dict(topic) for name, topic in document.content.get("topics", {}).items()}
    for topic in topics.values():
        key = topic.get("key")
        if isinstance(key, str):
            topic["key"] = {"field": key}
        elif key is not None:
            topic["key"] = {("source" if name == "from" else name): value for name, value in key.items()}
    return {**document.content, "topics": topics}
