"""Stores on a real etcd for the tests of this directory: direct, and through a proxy that misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from odradek.config.metadata import EtcdAccess
from odradek.metastore.etcd.store import EtcdStore
from odradek.metastore.store import Compare, Target
from tests.support.etcd_servers import QUICK, EtcdCluster
from tests.support.faulty_proxy import Dribble, FaultyProxy

DEADLINE_S = 40.0

ONCE = (Compare(b"a", Target.CREATE, 0),)


def play(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it with a deadline."""

    async def with_deadline() -> None:
        async with asyncio.timeout(DEADLINE_S):
            await scenario()

    asyncio.run(with_deadline())


@asynccontextmanager
async def opened(access: EtcdAccess, **options: Any) -> AsyncIterator[EtcdStore]:
    store = EtcdStore(access, **{"timing": QUICK, **options})
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def proxied(cluster: EtcdCluster, dribble: Dribble | None = None) -> AsyncIterator[tuple[EtcdStore, FaultyProxy]]:
    """A store that reaches the only member through a proxy."""
    async with proxy_to(cluster, dribble) as (proxy, access), opened(access) as store:
        yield store, proxy


@asynccontextmanager
async def proxy_to(
    cluster: EtcdCluster, dribble: Dribble | None = None
) -> AsyncIterator[tuple[FaultyProxy, EtcdAccess]]:
    (member,) = cluster.members
    proxy = FaultyProxy(("127.0.0.1", member.client_port), dribble)
    access = EtcdAccess((await proxy.start(),))
    try:
        yield proxy, access
    finally:
        await proxy.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for it, as long as the scenario may take."""
    while not condition():  # noqa: ASYNC110 (conditions of servers and proxies, which announce nothing)
        await asyncio.sleep(0.01)
