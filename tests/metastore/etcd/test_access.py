"""Who may reach etcd: TLS on both sides, a user with a password, tokens that become void."""

import base64
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from odradek.config.metadata import EtcdAccess
from odradek.metastore.etcd.errors import StoreRefuses
from odradek.metastore.etcd.store import EtcdStore
from odradek.metastore.store import NotApplied, Put
from tests.metastore.contract import batches, txn, values
from tests.metastore.etcd.connecting import opened, play
from tests.support.certificates import Certificates, certificate_of, make_certificates
from tests.support.etcd_servers import ALL_KEYS, QUICK, EtcdCluster, EtcdMember, etcd_cluster

PASSWORD = "pass:word@%"


def add_user(member: EtcdMember, name: str, key: str, range_end: str, token: str = "") -> None:
    """A user who may do everything in a range of keys, with a role of its own."""
    permission = {"permType": "READWRITE", "key": key, "range_end": range_end}
    member.post("auth/user/add", {"name": name, "password": PASSWORD}, token)
    member.post("auth/role/add", {"name": name}, token)
    member.post("auth/role/grant", {"name": name, "perm": permission}, token)
    member.post("auth/user/grant", {"user": name, "role": name}, token)


def root_token(member: EtcdMember) -> str:
    return str(member.post("auth/authenticate", {"name": "root", "password": "root"})["token"])


def key(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[EtcdCluster]:
    """TLS with client certificates; the user odradek may everything, the user narrow a few keys."""
    with etcd_cluster(tmp_path_factory.mktemp("guarded"), certificates=certificates) as cluster:
        (member,) = cluster.members
        member.post("auth/user/add", {"name": "root", "password": "root"})
        member.post("auth/role/add", {"name": "root"})
        member.post("auth/user/grant", {"user": "root", "role": "root"})
        add_user(member, "odradek", ALL_KEYS, ALL_KEYS)
        add_user(member, "narrow", key("n/"), key("n0"))
        member.post("auth/enable", {})
        yield cluster


@pytest.fixture
def access(guarded: EtcdCluster, certificates: Certificates) -> EtcdAccess:
    files = certificates
    return EtcdAccess(
        guarded.access.members, True, str(files.ca), str(files.cert), str(files.key), "odradek", PASSWORD
    )  # fmt: skip


def refusal(access: EtcdAccess) -> NotApplied:
    """Why opening was refused, in one line that says nothing of the password."""
    told: list[NotApplied] = []

    async def scenario() -> None:
        with pytest.raises(NotApplied) as refused:
            await EtcdStore(access, timing=replace(QUICK, open_s=1)).open()
        told.append(refused.value)

    play(scenario)
    assert "\n" not in str(told[0])
    assert PASSWORD not in str(told[0])
    return told[0]


def test_it_works_over_tls_with_a_user(access: EtcdAccess) -> None:
    async def scenario() -> None:
        async with opened(access) as store:
            lease = await store.grant(9)
            put = await txn(store, Put(b"a", b"1", lease.id))
            assert len(await batches(store, b"a", put.revision - 1, put.revision)) == 1
            async with aclosing(store.keepalive(lease.id)) as acks:  # type: ignore[type-var]
                assert (await anext(acks)).ttl == 9
            await store.revoke(lease.id)
            assert await values(store, b"a") == {}

    play(scenario)


def test_a_token_that_users_changes_made_void_is_renewed(guarded: EtcdCluster, access: EtcdAccess) -> None:
    async def scenario() -> None:
        async with opened(access) as store:
            for name in ("one", "two", "three"):
                token = root_token(guarded.members[0])
                guarded.members[0].post("auth/user/add", {"name": name, "password": "x"}, token)
                put = await txn(store, Put(b"b", name.encode()))
                assert len(await batches(store, b"b", put.revision - 1, put.revision)) == 1

    play(scenario)


def test_a_token_that_a_restart_forgot_is_renewed(guarded: EtcdCluster, access: EtcdAccess) -> None:
    async def scenario() -> None:
        async with opened(access) as store:
            before = (await store.get(b""))[1]
            guarded.members[0].restart()
            async with aclosing(store.watch(b"c", after=before)) as changes:  # type: ignore[type-var]
                put = await store_put(store)
                assert (await anext(changes)).revision == put
            guarded.members[0].restart()
            assert await values(store, b"c") == {b"c": b"1"}

    play(scenario)


async def store_put(store: EtcdStore) -> int:
    """The first try may find the connection to the killed server."""
    while True:
        try:
            return (await store.txn((), (Put(b"c", b"1"),), timeout=5)).revision
        except NotApplied:
            continue


def test_a_wrong_password_is_told_at_once(access: EtcdAccess) -> None:
    told = refusal(replace(access, password="wrong"))
    assert isinstance(told, StoreRefuses)
    assert "authentication failed" in str(told)


def test_without_a_user_nothing_is_permitted(access: EtcdAccess) -> None:
    assert "permission denied" in str(refusal(replace(access, user=None, password=None)))


def test_a_certificate_can_name_the_user(access: EtcdAccess, certificates: Certificates) -> None:
    files = certificate_of(certificates, "odradek")

    async def scenario() -> None:
        named = replace(access, cert_file=str(files.cert), key_file=str(files.key), user=None, password=None)
        async with opened(named) as store:
            await txn(store, Put(b"d", b"1"))

    play(scenario)


def test_a_user_who_may_not_read_every_key_is_told(access: EtcdAccess) -> None:
    assert "permission denied" in str(refusal(replace(access, user="narrow")))


def test_an_unknown_authority_is_not_trusted(access: EtcdAccess) -> None:
    assert "certificate" in str(refusal(replace(access, ca_file=None))).lower()


def test_plain_text_to_a_tls_port_is_no_way_in(access: EtcdAccess) -> None:
    refusal(EtcdAccess(access.members))


def test_a_file_that_is_missing_is_named(access: EtcdAccess, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    assert str(refusal(replace(access, cert_file=missing))) == f"cannot read {missing}: No such file or directory"


def test_a_user_is_not_needed_where_authentication_is_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(access: EtcdAccess) -> None:
        async with opened(access) as store:
            await txn(store, Put(b"a", b"1"))

    with etcd_cluster(tmp_path) as cluster:
        play(lambda: scenario(replace(cluster.access, user="odradek", password=PASSWORD)))
    assert "its authentication is not enabled" in caplog.text
