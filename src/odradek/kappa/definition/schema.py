"""The published JSON schema, and its complaints in words."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from odradek.kappa.definition.document import Document, Place


@cache
def schema() -> dict[str, Any]:
    """kappa.schema.json."""
    found: dict[str, Any] = json.loads((files(__package__) / "kappa.schema.json").read_text())
    return found


def check(document: Document) -> None:
    """Raises DefinitionError for the first thing in the file that the schema forbids."""
    found = sorted(_validator().iter_errors(document.content), key=lambda each: _line(document, each))
    if found:
        error = _innermost(found[0])
        raise document.error(_place(error), _told(error))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def _innermost(error: ValidationError) -> ValidationError:
    """Of alternatives, the complaint about the one that was meant: the one whose type fits."""
    while error.context:
        fitting = [each for each in error.context if not (each.validator == "type" and each.path == error.path)]
        deeper = [each for each in error.context if len(each.absolute_path) > len(error.absolute_path)]
        chosen = deeper or [each for each in fitting if each.validator != "type"]
        if not chosen:
            return error
        error = chosen[0]
    return error


def _place(error: ValidationError) -> Place:
    place = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        return (*place, _unknown(error)[0])
    if error.validator in ("pattern",) and error.parent is None and isinstance(error.instance, str):
        return (*place, error.instance)
    return place


def _line(document: Document, error: ValidationError) -> int:
    return document.line(_place(_innermost(error)))


def _unknown(error: ValidationError) -> list[str]:
    rule: Any = error.schema
    instance: Any = error.instance
    return [name for name in instance if name not in rule.get("properties", {})]


def _told(error: ValidationError) -> str:
    expected: Any = error.validator_value
    rule: Any = error.schema
    instance: Any = error.instance
    match error.validator:
        case "additionalProperties":
            return f"is not known; known are {', '.join(rule['properties'])}"
        case "enum":
            return f"must be one of {', '.join(map(str, expected))}, not {error.instance!r}"
        case "type":
            return f"must be {_kind(expected)}, not {_kind_of(error.instance)}"
        case "required":
            missing = [name for name in expected if name not in instance]
            return f"lacks {', '.join(missing)}"
        case "oneOf":
            return f"must be a name or a map, not {_kind_of(error.instance)}"
        case "pattern":
            return f"{error.instance!r} is no name of the form {expected}"
        case "minLength" | "maxLength":
            return f"must have {rule.get('minLength', 0)} to {rule['maxLength']} characters"
    return error.message


_KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "nothing",
}
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def _kind(name: str) -> str:
    return _KINDS[name]


def _kind_of(value: Any) -> str:
    return _kind(_TYPES.get(type(value), "null"))
