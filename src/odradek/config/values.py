"""Types of configuration values: from text to value and back, with the messages Kafka's clients know.

Values in memory: bool, int, float, str, or tuple[str, ...] for a list. None stands for "not set".
"""

from enum import Enum

Value = bool | int | float | str | tuple[str, ...] | None

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1


class Type(Enum):
    """Types an option can have; the value is the config type of the DescribeConfigs response (KIP-569)."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7


INTEGER_BITS = {Type.INT: 32, Type.SHORT: 16, Type.LONG: 64}


def parse(type_: Type, text: str) -> Value:
    """The value a text stands for. Raises ValueError whose message says what the text should have been."""
    text = text.strip()
    if type_ is Type.BOOLEAN:
        return _parse_boolean(text)
    if type_ is Type.LIST:
        return tuple(item.strip() for item in text.split(",")) if text else ()
    if type_ is Type.DOUBLE:
        return _parse_number(type_, text, float)
    if type_ in INTEGER_BITS:
        return _parse_integer(type_, text)
    return text


def render(value: Value) -> str | None:
    """The text a client sees; `parse` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return None if value is None else str(value)


def text_of(value: object) -> str:
    """A value as a configuration file's parser hands it over (text, number, boolean, list), as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def _parse_boolean(text: str) -> bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise ValueError("Expected value to be either true or false")


def _parse_integer(type_: Type, text: str) -> int:
    value = _parse_number(type_, text, int)
    limit = 1 << (INTEGER_BITS[type_] - 1)
    if not -limit <= value < limit:
        raise ValueError(f"Not a number of type {type_.name}")
    return int(value)


def _parse_number(type_: Type, text: str, convert: type[int] | type[float]) -> int | float:
    try:
        if "_" in text or not text.isascii():
            raise ValueError(text)
        return convert(text)
    except ValueError:
        raise ValueError(f"Not a number of type {type_.name}") from None
