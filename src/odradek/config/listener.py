"""Listeners: where a broker accepts connections and what it tells clients to connect to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from odradek.config.errors import ConfigError

DEFAULT_PORT = 9092
SECURITY_PROTOCOLS = ("PLAINTEXT",)
PORT_MAX = 65535
ANY_ADDRESS = ("", "0.0.0.0", "::")
ENDPOINT = re.compile(
    r"(?P<name>[A-Za-z0-9_-]+)://(\[(?P<v6>[0-9a-fA-F:.%]+)\]|(?P<host>[^:/\[\]\s]*)):(?P<port>[0-9]+)"
)
ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^:/\[\]\s,]*):(?P<port>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Listener:
    """One endpoint: `name://host:port`. Port 0 asks the system for a free one."""

    name: str
    host: str
    port: int

    @property
    def is_any_address(self) -> bool:
        """Whether it binds to every address of the machine (no client can connect to such a name)."""
        return self.host in ANY_ADDRESS

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect to it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"{self.name}://{address_of(self.host, self.port)}"


def address_of(host: str, port: int) -> str:
    """HOST:PORT as clients take it, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_listeners(key: str, values: tuple[str, ...]) -> tuple[Listener, ...]:
    """Raises ConfigError for what is no endpoint, and for a name or a port that appears twice."""
    listeners = tuple(_parse_endpoint(key, value) for value in values)
    if not listeners:
        raise ConfigError(f"Invalid value  for configuration {key}: at least one NAME://HOST:PORT is needed")
    names = [listener.name for listener in listeners]
    if len(set(names)) < len(names):
        raise ConfigError(f"Invalid value {','.join(values)} for configuration {key}: each listener needs its own name")
    return listeners


def split_address(option: str, address: str) -> tuple[str, int]:
    """`HOST:PORT` of an option of the command line, an IPv6 host in brackets. Raises ConfigError."""
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise ConfigError(f"{option} {address}: must be HOST:PORT")
    if int(found["port"]) > PORT_MAX:
        raise ConfigError(f"{option} {address}: the port must be from 0 to {PORT_MAX}")
    return found["host"], int(found["port"])


def parse_protocol_map(values: tuple[str, ...]) -> dict[str, str]:
    """Listener name to security protocol. Raises ConfigError."""
    protocols: dict[str, str] = {}
    for value in values:
        name, _, protocol = value.partition(":")
        if not name or protocol not in SECURITY_PROTOCOLS:
            allowed = ", ".join(SECURITY_PROTOCOLS)
            raise ConfigError(
                f"Invalid value {value} for configuration listener.security.protocol.map: "
                f"must be NAME:PROTOCOL, with a protocol of: {allowed}"
            )
        protocols[name.upper()] = protocol
    return protocols


def check_listeners(
    listeners: tuple[Listener, ...], advertised: tuple[Listener, ...], protocols: Mapping[str, str]
) -> None:
    """Each listener has a protocol, each advertised one exists and can be reached. Raises ConfigError."""
    for listener in listeners:
        if listener.name not in protocols:
            raise ConfigError(
                f"Invalid value {listener} for configuration listeners: "
                f"no security protocol is defined for listener {listener.name} in listener.security.protocol.map"
            )
    names = [listener.name for listener in listeners]
    for listener in advertised:
        if listener.name not in names:
            raise ConfigError(
                f"Invalid value {listener} for configuration advertised.listeners: "
                f"must be one of the names in listeners: {', '.join(names)}"
            )
        if listener.is_any_address:
            raise ConfigError(
                f"advertised.listeners cannot use the nonroutable meta-address {listener.host or '0.0.0.0'} "
                f"({listener}): set advertised.listeners to the address that clients connect to (--advertise HOST:PORT)"
            )


def _parse_endpoint(key: str, value: str) -> Listener:
    found = ENDPOINT.fullmatch(value.strip())
    if found is None:
        raise ConfigError(f"Invalid value {value} for configuration {key}: must be NAME://HOST:PORT")
    if int(found["port"]) > PORT_MAX:
        raise ConfigError(f"Invalid value {value} for configuration {key}: the port must be from 0 to {PORT_MAX}")
    return Listener(found["name"].upper(), found["v6"] or found["host"], int(found["port"]))
