"""What every command gets: which broker to ask, how to print, and clients that fail fast and quietly."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from odradek.cli.errors import CommandError, UsageError

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient, Consumer, Producer

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
REQUEST_TIMEOUT_S = 15.0
PORT_MAX = 65535
_CONNECT_TIMEOUT_S = 3.0


class Defaults(NamedTuple):
    """Options given before the command; the same option after it wins."""

    bootstrap: str | None
    json: bool


@dataclass(frozen=True, slots=True)
class Session:
    """One command's surroundings."""

    bootstrap: str
    json: bool
    # The admin client. librdkafka cancels what it was asked when the object is collected: kept until the command ends.
    _clients: list[Any] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, ctx: typer.Context, bootstrap: str | None, as_json: bool) -> Session:
        """Merge the command's own options with those before it and the environment."""
        defaults = ctx.find_object(Defaults) or Defaults(None, False)
        chosen = bootstrap or defaults.bootstrap or os.environ.get("ODRADEK_BOOTSTRAP") or DEFAULT_BOOTSTRAP
        return cls(chosen, as_json or defaults.json)

    def at(self, addresses: Iterable[str]) -> Session:
        """The same at other addresses, `HOST:PORT` each."""
        return Session(",".join(addresses), self.json)

    def admin(self) -> AdminClient:
        """The session's admin client; raises CommandError at once when nobody listens."""
        from odradek.cli.kafka import AdminClient

        self.require_broker()
        if not self._clients:
            self._clients.append(AdminClient(self._client_config()))
        found: AdminClient = self._clients[0]
        return found

    def producer(self, **config: Any) -> Producer:
        """A producer with the given librdkafka settings added."""
        from odradek.cli.kafka import Producer

        self.require_broker()
        return Producer(self._client_config() | config)

    def consumer(self, **config: Any) -> Consumer:
        """A consumer with the given librdkafka settings added."""
        from odradek.cli.kafka import Consumer

        self.require_broker()
        return Consumer(self._client_config() | config)

    def require_broker(self) -> None:
        """Connect once to any bootstrap address: librdkafka itself would retry a refused connection for long."""
        reasons = []
        for address in self.bootstrap.split(","):
            try:
                socket.create_connection(split_address(address.strip()), _CONNECT_TIMEOUT_S).close()
            except OSError as error:
                reasons.append(error)
            else:
                return
        refused = all(isinstance(reason, ConnectionRefusedError) for reason in reasons)
        detail = "" if refused else f" ({reasons[0].strerror or reasons[0]})"
        raise CommandError(f"no broker at {self.bootstrap}{detail}: start one with `odradek start`")

    def _client_config(self) -> dict[str, Any]:
        # librdkafka writes its own lines to stderr; what matters of them comes back as errors.
        return {"bootstrap.servers": self.bootstrap, "log_level": 0, "client.id": "odradek-cli"}


def split_address(address: str, option: str = "--bootstrap", lowest: int = 1) -> tuple[str, int]:
    """`HOST:PORT` or `[V6]:PORT` to its parts; raises UsageError that names the option."""
    host, separator, port = address.rpartition(":")
    if not separator or not (port.isascii() and port.isdigit()) or not host:
        raise UsageError(f"{option} {address}: must be HOST:PORT")
    if not lowest <= int(port) <= PORT_MAX:
        raise UsageError(f"{option} {address}: the port must be from {lowest} to {PORT_MAX}")
    return host.strip("[]"), int(port)
