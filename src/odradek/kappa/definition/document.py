"""A YAML document that knows on which line each of its values is."""

from dataclasses import dataclass, field
from typing import Any

import yaml

from odradek.kappa.definition.errors import DefinitionError

Place = tuple[str | int, ...]
"""Keys and indexes from the root to a value."""

DEPTH_MAX = 32
"""Of maps and lists in one another; aliases count as what they stand for."""


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values, and the line (from 1) of the key of each, or of the value itself in a list."""

    name: str
    content: Any
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """Of the value there, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def error(self, place: Place, message: str) -> DefinitionError:
        return DefinitionError(self.name, self.line(place), _dotted(place), message)


def read_document(name: str, text: str) -> Document:
    """Raises DefinitionError for what is no YAML, for a key that is there twice, and for nesting without end."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DefinitionError(name, mark.line + 1 if mark else 1, "", f"no YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise DefinitionError(name, 1, "", f"no YAML: {' '.join(str(error).split())}") from error
    document = Document(name, None)
    content = None if root is None else _Builder(document).build(root, ())
    return Document(name, content, document.lines)


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._constructor = yaml.constructor.SafeConstructor()

    def build(self, node: yaml.Node, place: Place) -> Any:
        self._document.lines.setdefault(place, node.start_mark.line + 1)
        if len(place) > DEPTH_MAX:
            raise self._document.error(place, f"nested more than {DEPTH_MAX} deep")
        if isinstance(node, yaml.MappingNode):
            return self._build_map(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, index)) for index, item in enumerate(node.value)]
        return self._constructor.construct_object(node)

    def _build_map(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            here = (*place, key)
            self._document.lines[here] = key_node.start_mark.line + 1
            if key in built:
                raise self._document.error(here, "is there twice")
            built[key] = self.build(value_node, here)
        return built


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
