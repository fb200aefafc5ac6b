"""Where the metadata is: what `odradek.metadata` takes, and which keys go together."""

import pytest

from odradek.config import BrokerConfig, ConfigError
from odradek.config.describe import describe_broker
from odradek.config.metadata import Access, EtcdAccess, SocketAccess, metadata_access, parse_metadata


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqlite", None),
        ("unix:/var/lib/odradek/metadata.sock", SocketAccess("/var/lib/odradek/metadata.sock")),
        ("etcd://h1", EtcdAccess(("h1:2379",))),
        ("etcd://h1:2379,h2:4001,10.0.0.7", EtcdAccess(("h1:2379", "h2:4001", "10.0.0.7:2379"))),
        ("etcd://[::1]:2379,[fe80::1]/", EtcdAccess(("[::1]:2379", "[fe80::1]:2379"))),
        ("etcds://h1", EtcdAccess(("h1:2379",), tls=True)),
        ("etcd://me:p%40ss:word@h1", EtcdAccess(("h1:2379",), user="me", password="p@ss:word")),
    ],
)
def test_places_of_the_metadata(text: str, expected: Access) -> None:
    assert parse_metadata(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "SQLite", "etcd:", "etcd://", "http://h1:2379", "etcd://h1:70000", "etcd://h1,,h2", "etcd://me@h1",
     "etcd://h1:x", "unix:", "unix:metadata.sock", "etcd://h1/path", "etcd://h1,h1:2379"],
)  # fmt: skip
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError):
        parse_metadata(text)


def test_a_mistake_says_what_is_allowed_and_not_the_password() -> None:
    with pytest.raises(ConfigError) as told:
        BrokerConfig.parse({"odradek.metadata": "etcd://me:secret@h1:x"})
    assert str(told.value) == (
        'odradek.metadata cannot be "etcd://...@h1:x": allowed is '
        "one of sqlite, etcd://[USER:PASSWORD@]HOST[:PORT],..., etcds://... (TLS) and unix:/PATH"
    )


ETCDS = {"odradek.metadata": "etcds://h1"}


def test_keys_complete_the_address() -> None:
    config = BrokerConfig.parse(
        ETCDS
        | {
            "odradek.metadata.etcd.ca.file": "/ca",
            "odradek.metadata.etcd.cert.file": "/cert",
            "odradek.metadata.etcd.key.file": "/key",
            "odradek.metadata.etcd.user": "me",
            "odradek.metadata.etcd.password": "secret",
        }
    )
    access = metadata_access(config.get)
    assert access == EtcdAccess(("h1:2379",), True, "/ca", "/cert", "/key", "me", "secret")
    assert "secret" not in repr(access)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"odradek.metadata.etcd.user": "me"}, "is for metadata on etcd"),
        ({"odradek.metadata": "etcd://h1", "odradek.metadata.etcd.ca.file": "/ca"}, "must begin with etcds://"),
        (ETCDS | {"odradek.metadata.etcd.cert.file": "/cert"}, "are needed together"),
        (ETCDS | {"odradek.metadata.etcd.user": "me"}, "are needed together"),
        (ETCDS | {"odradek.metadata.restored.revision": "7"}, "is for metadata in SQLite"),
        ({"odradek.metadata": "etcd://me:x@h1", "odradek.metadata.etcd.user": "you"}, "is another user than that"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(values: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        BrokerConfig.parse(values)


def test_clients_are_not_told_passwords() -> None:
    config = BrokerConfig.parse({"odradek.metadata": "etcd://me:secret@h1"})
    assert "secret" not in repr(describe_broker(config))
