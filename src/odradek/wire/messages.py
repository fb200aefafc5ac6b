"""The adapter of kio: requests in, responses out, for every API that is not worth a codec by hand.

kio gives the dataclasses and writes them; they are read by `entity_reader`.

kio has one module per API, version and direction; each is imported when it is first met (all of them would cost a
second and 48 MB). Handlers are written once for all versions: `types(api_key, version)` constructs that version's
dataclasses and drops what the version does not have.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import timedelta
from functools import cache
from importlib import import_module
from io import BytesIO
from types import ModuleType
from typing import Any

from kio.serial import entity_writer
from kio.static.protocol import Entity

from odradek.host.files import Buffer
from odradek.wire.apis import BY_KEY, FIRST_PRODUCE_VERSION, PRODUCE
from odradek.wire.entity_reader import Content, Reader, is_array, reader_of
from odradek.wire.errors import MalformedRequestError
from odradek.wire.frame import RequestHeader, read_request_header, response_header

NO_TIME = timedelta(0)

LARGE_ITEMS = 500
"""Array items from which on writing takes so long that it belongs into the executor."""

Constructor = Callable[..., Any]


def read_request(buffer: Buffer, position: int, end: int) -> tuple[RequestHeader, Entity]:
    """Header and body of the frame content in buffer[position:end]. Raises MalformedRequestError."""
    header = read_request_header(buffer, position, end)
    return header, read_body(header.api_key, header.version, buffer, header.body, end)


def read_body(api_key: int, version: int, buffer: Buffer, position: int, end: int) -> Entity:
    """The request after its header; it keeps no reference to the buffer. Raises MalformedRequestError."""
    read = _request_reader(api_key, version)
    content = Content(memoryview(buffer)[position:end])
    try:
        entity: Entity = read(content, 0, len(content))[0]
    except MalformedRequestError as error:
        name = BY_KEY[api_key].name
        raise MalformedRequestError(f"no {name} request of version {version}: {error}") from error
    return entity


def write_response(api_key: int, version: int, correlation_id: int, entity: Entity | bytes) -> bytes:
    """A whole frame: size, header, body (as kio's entity, or encoded already).

    Raises kio's SerialError for a value its field cannot hold.
    """
    if isinstance(entity, bytes):
        return response_header(api_key, version, correlation_id, len(entity)) + entity
    body = BytesIO()
    _writer(type(entity))(body, entity)
    content = body.getvalue()
    return response_header(api_key, version, correlation_id, len(content)) + content


def is_large(entity: Entity | bytes) -> bool:
    """Whether it has more than LARGE_ITEMS items in all its arrays together; never, where it is encoded already."""
    if isinstance(entity, bytes):
        return False
    left, waiting = LARGE_ITEMS, [entity]
    while waiting:
        each = waiting.pop()
        for name in _arrays_of(type(each)):
            items = getattr(each, name) or ()
            left -= len(items)
            if left < 0:
                return True
            if items and is_dataclass(items[0]):
                waiting += items
    return False


@cache
def _arrays_of(entity_type: type[Entity]) -> tuple[str, ...]:
    """Names of the fields that hold arrays."""
    return tuple(each.name for each in fields(entity_type) if is_array(each))


@cache
def types(api_key: int, version: int) -> "Types":
    """Constructors of the classes in that version's response: `types(3, 9).MetadataResponse(brokers=..., ...)`."""
    return Types(api_key, version)


class Types:
    """Constructors of one API version's response classes, as attributes, made when first asked for.

    A constructor drops arguments that only other versions have and fills `throttle_time` with zero; anything else
    missing or unknown raises TypeError. A class that only other versions have is constructed as None, to be dropped.
    """

    def __init__(self, api_key: int, version: int) -> None:
        self.api_key = api_key
        self.version = version
        self._module = _module(api_key, version, "response")

    def __getattr__(self, name: str) -> Constructor:
        if name.startswith("_"):
            raise AttributeError(name)
        cls = getattr(self._module, name, None)
        if cls is None and not _in_other_versions(self.api_key, name):
            raise AttributeError(f"no version of {BY_KEY[self.api_key].name} has a response class {name}")
        constructor = _nothing if cls is None else self._constructor(cls)
        setattr(self, name, constructor)
        return constructor

    def _constructor(self, cls: type) -> Constructor:
        known = frozenset(field.name for field in fields(cls))
        needs_throttle_time = any(f.name == "throttle_time" and f.default is MISSING for f in fields(cls))
        api_key = self.api_key

        def construct(**values: object) -> Any:
            if needs_throttle_time:
                values.setdefault("throttle_time", NO_TIME)
            if not values.keys() <= known:
                for name in values.keys() - known:
                    if not _in_other_versions(api_key, cls.__name__, name):
                        raise TypeError(f"no version of {cls.__name__} has a field {name}")
                    del values[name]
            return cls(**values)

        return construct


def _nothing(**_: object) -> None:
    """Stands in for the constructor of a class this version does not have."""


@cache
def _in_other_versions(api_key: int, class_name: str, field_name: str | None = None) -> bool:
    """Whether any version's response has the class (and field), the newest asked first: it mostly has."""
    api = BY_KEY[api_key]
    first = FIRST_PRODUCE_VERSION if api_key == PRODUCE else api.min_version
    for version in range(api.max_version, first - 1, -1):
        cls = getattr(_module(api_key, version, "response"), class_name, None)
        if cls is not None and (field_name is None or any(each.name == field_name for each in fields(cls))):
            return True
    return False


def _module(api_key: int, version: int, direction: str) -> ModuleType:
    return import_module(f"kio.schema.{BY_KEY[api_key].name}.v{version}.{direction}")


@cache
def _request_reader(api_key: int, version: int) -> Reader:
    module = _module(api_key, version, "request")
    return reader_of(getattr(module, f"{_camel(BY_KEY[api_key].name)}Request"))


@cache
def _writer(entity_type: type[Entity]) -> Callable[[BytesIO, Entity], None]:
    return entity_writer(entity_type)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def preload(api_key: int, version: int) -> None:
    """Import what a request of this version will need, before the first one comes."""
    _request_reader(api_key, version)
    types(api_key, version)
