"""One request on its way through a handler."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odradek.wire.messages import Types


@dataclass(slots=True)
class Call:
    """What a handler is given beside the broker.

    `request` is kio's dataclass of that version: a field an older version lacks is read with
    `getattr(request, "field", default)`. `types` constructs the response's classes (see `wire.messages.types`).
    """

    request: Any
    api_key: int
    version: int
    correlation_id: int
    client_id: str | None
    peer_host: str
    listener: str
    types: "Types"
    connection: Any = None
