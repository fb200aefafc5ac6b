"""Frames written and read by kio, to hold the hand-written codecs against."""

from importlib import import_module
from io import BytesIO
from typing import Any

from kio.serial import entity_reader, entity_writer

from odradek.wire.apis import BY_KEY


def module(api_key: int, version: int, direction: str) -> Any:
    """kio's module of one version: its classes are its attributes."""
    return import_module(f"kio.schema.{BY_KEY[api_key].name}.v{version}.{direction}")


def write(entity: Any) -> bytes:
    out = BytesIO()
    entity_writer(type(entity))(out, entity)
    return out.getvalue()


def request_content(entity: Any, *, correlation_id: int = 7, client_id: str | None = "client") -> bytes:
    """Header and body, without the frame's size."""
    kind = type(entity)
    header = kind.__header_schema__(
        request_api_key=kind.__api_key__,
        request_api_version=kind.__version__,
        correlation_id=correlation_id,
        client_id=client_id,
    )
    return write(header) + write(entity)


def read_response(frame: bytes, response_class: Any) -> tuple[Any, Any]:
    """Header and body of a whole frame; fails on a wrong size and on bytes left over."""
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    header, header_size = entity_reader(response_class.__header_schema__)(frame, 4)
    entity, size = entity_reader(response_class)(frame, 4 + header_size)
    assert 4 + header_size + size == len(frame)
    return header, entity


def fields_of(cls: Any, **values: Any) -> Any:
    """An instance of kio's class from those of the values that this version has."""
    return cls(**{name: value for name, value in values.items() if name in cls.__dataclass_fields__})
