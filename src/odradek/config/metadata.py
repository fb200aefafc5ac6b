"""Where the cluster's metadata is kept: the value of `odradek.metadata`, and the keys that go with etcd."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from odradek.config.errors import ConfigError
from odradek.config.values import Value

SQLITE = "sqlite"
ETCD_PORT = 2379
PORT_MAX = 65535
FORMS = "sqlite, etcd://[USER:PASSWORD@]HOST[:PORT],..., etcds://... (TLS) and unix:/PATH"
SOCKET = re.compile(r"unix:(?P<path>/.+)")
URL = re.compile(r"(?P<scheme>etcds?)://((?P<user>[^:@/\s]+):(?P<password>[^@\s]*)@)?(?P<members>[^@/\s]+)/?")
MEMBER = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9_.-]+)(:(?P<port>[0-9]+))?")
SECRET = re.compile(r"(?<=://)[^@\s]*@")

RESTORED = "odradek.metadata.restored.revision"
ETCD_KEYS = {
    name: f"odradek.metadata.etcd.{name.replace('_', '.')}"
    for name in ("ca_file", "cert_file", "key_file", "user", "password")
}
"""Field of `EtcdAccess` -> key."""


@dataclass(frozen=True, slots=True)
class EtcdAccess:
    """How etcd is reached: `HOST:PORT` of its members, TLS, user. A client certificate is `cert_file` and `key_file`;
    `ca_file` None: the certificate authorities that gRPC knows."""

    members: tuple[str, ...]
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SocketAccess:
    """The Unix socket at which a supervisor of this machine serves the metadata of its brokers."""

    path: str


Access = EtcdAccess | SocketAccess | None
"""None for SQLite."""


def parse_metadata(text: str) -> Access:
    """Raises ValueError, which says nothing of a password."""
    if text == SQLITE:
        return None
    if (socket := SOCKET.fullmatch(text)) is not None:
        return SocketAccess(socket["path"])
    found = URL.fullmatch(text)
    if found is None:
        raise ValueError(f"must be one of {FORMS}", without_secret(text))
    members = tuple(_member(each) for each in found["members"].split(","))
    if len(set(members)) < len(members):
        raise ValueError("names a member twice", without_secret(text))
    user, password = found["user"], found["password"]
    if user is not None:
        from urllib.parse import unquote

        user, password = unquote(user), unquote(password)
    return EtcdAccess(members, found["scheme"] == "etcds", user=user, password=password)


def _member(text: str) -> str:
    found = MEMBER.fullmatch(text)
    if found is None or int(found["port"] or ETCD_PORT) > PORT_MAX:
        raise ValueError("must name members as HOST or HOST:PORT", text)
    return f"{found['host']}:{found['port'] or ETCD_PORT}"


def without_secret(text: str) -> str:
    """A URL that can be shown."""
    return SECRET.sub("...@", text)


@dataclass(frozen=True, slots=True)
class MetadataAddress:
    """The check of `odradek.metadata`."""

    allowed: str = f"one of {FORMS}"

    def __call__(self, value: Value) -> None:
        parse_metadata(str(value))


def metadata_access(get: Callable[[str], Any]) -> Access:
    """From the values of all keys. Raises ConfigError for keys that do not go together."""
    access = parse_metadata(get("odradek.metadata"))
    given = {name: value for name, key in ETCD_KEYS.items() if (value := get(key)) is not None}
    if access is not None and get(RESTORED) is not None:
        raise ConfigError(f"{RESTORED} is for metadata in SQLite, odradek.metadata is another place")
    if not isinstance(access, EtcdAccess):
        for name in given:
            raise ConfigError(f"{ETCD_KEYS[name]} is for metadata on etcd: odradek.metadata is another place")
        return access
    for name, value in given.items():
        if getattr(access, name) not in (None, value):
            raise ConfigError(f"{ETCD_KEYS[name]} is another {name} than that in odradek.metadata")
    access = EtcdAccess(access.members, access.tls, **{"user": access.user, "password": access.password, **given})
    _check_together(access, get)
    return access


def _check_together(access: EtcdAccess, get: Callable[[str], Any]) -> None:
    if not access.tls:
        for name in ("ca_file", "cert_file", "key_file"):
            if getattr(access, name) is not None:
                raise ConfigError(f"{ETCD_KEYS[name]} is for TLS: odradek.metadata must begin with etcds://")
    for one, other in (("cert_file", "key_file"), ("user", "password")):
        if (getattr(access, one) is None) != (getattr(access, other) is None):
            raise ConfigError(f"{ETCD_KEYS[one]} and {ETCD_KEYS[other]} are needed together")
