"""What goes wrong with a simulated cluster: each fault is a coroutine that begins, lasts a drawn while, and ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from odradek.log.health import SLOW_WRITES
from odradek.simulation import CrashKind
from odradek.simulation.inode import FileInode
from tests.simulation import cluster_operators as operators
from tests.simulation.cluster_world import CLIENT, DIRECTORY, host_of

if TYPE_CHECKING:
    from tests.simulation.cluster_lives import ClusterLives

LONG_SECONDS = (0.2, 1.0, 4.0, 14.0)
CRASH_STEPS_MAX, CRASH_WRITES_MAX = 80, 6
ARMED_SECONDS = 3.0
GOES_ON_SECONDS = 0.5
"""Between two times that a process stands still."""
DISK_NOTICED_SECONDS = 5.0
"""A start that began on a full disk may end so long after there is room again."""

Fault = Callable[["ClusterLives"], Awaitable[None]]


def duration(lives: "ClusterLives") -> float:
    """In seconds."""
    return lives.chance.choice(LONG_SECONDS) * (0.5 + lives.chance.random())


async def crash(lives: "ClusterLives") -> None:
    """A broker dies or loses its power: now, in the middle of an append, or at a step of its I/O."""
    broker_id = lives.any_broker()
    kinds: tuple[CrashKind, ...] = ("process", "power")
    kind = lives.chance.choice(kinds)
    disk, how = lives.machines[broker_id].disk, lives.chance.random()
    if lives.machines[broker_id].process is None:
        return
    if how < 0.4:
        lives.crash(broker_id, kind)
    elif how < 0.7:
        disk.crash_on("pwritev", f"{DIRECTORY}/*.log", kind, skip=lives.chance.randrange(CRASH_WRITES_MAX))
    else:
        disk.crash_at(disk.steps + lives.chance.randint(1, CRASH_STEPS_MAX), kind)
    await asyncio.sleep(ARMED_SECONDS)


async def crash_several(lives: "ClusterLives") -> None:
    """Several brokers at once, as when a rack fails."""
    for broker_id in lives.some_brokers():
        if lives.machines[broker_id].process is not None:
            lives.crash(broker_id, lives.chance.choice(("process", "power")))


async def isolate(lives: "ClusterLives") -> None:
    """Some brokers do not hear the others, are not heard, or both; clients may be on either side."""
    inside = lives.some_brokers()
    outside = [host_of(each) for each in lives.ids if each not in inside]
    if lives.chance.random() < 0.5:
        outside.append(CLIENT)
    kind = lives.chance.choice(("both", "both", "in", "out"))
    links = [(host_of(near), far) for near in inside for far in outside if kind != "in"]
    links += [(far, host_of(near)) for near in inside for far in outside if kind != "out"]
    for link in links:
        lives.world.network.partition(*link, both_ways=False)
    seconds = duration(lives)
    if lives.chance.random() < 0.3:
        lives.store_trouble(seconds)
        for broker_id in inside:
            lives.links[broker_id].cut()
    await asyncio.sleep(seconds)
    lives.world.network.heal(*links)
    for broker_id in inside:
        lives.links[broker_id].heal()


async def lose_store(lives: "ClusterLives") -> None:
    """Some brokers, maybe all, reach everybody but the metadata store."""
    inside = lives.ids if lives.chance.random() < 0.2 else lives.some_brokers()
    requests, answers = lives.chance.choice(((True, True), (True, False), (False, True)))
    lives.store_trouble(seconds := duration(lives))
    for broker_id in inside:
        lives.links[broker_id].cut(requests=requests, answers=answers)
    await asyncio.sleep(seconds)
    for broker_id in inside:
        lives.links[broker_id].heal()


async def reset(lives: "ClusterLives") -> None:
    """A firewall forgets the connections between two hosts."""
    near, far = lives.any_broker(), lives.chance.choice((CLIENT, *(host_of(each) for each in lives.ids)))
    if host_of(near) != far:
        lives.world.network.reset_connections(host_of(near), far)


async def fill_disk(lives: "ClusterLives") -> None:
    """A broker's disk takes no more, for a while."""
    broker_id, seconds = lives.any_broker(), duration(lives)
    disk = lives.machines[broker_id].disk
    disk.capacity_bytes = disk.used_bytes + lives.chance.choice((0, 500, 5000))
    lives.disk_trouble(broker_id, seconds + DISK_NOTICED_SECONDS)
    await asyncio.sleep(seconds)
    disk.capacity_bytes = None


async def fail_disk(lives: "ClusterLives") -> None:
    """An operation fails with EIO: its log directory goes offline, and what was not synced counts as lost.

    So it may happen only where the power may go.
    """
    broker_id = lives.any_broker()
    if not lives.may_lose_power(broker_id):
        return
    lives.power_lost_at[broker_id] = lives.server.keyspace.revision
    lives.disk_trouble(broker_id, ARMED_SECONDS + DISK_NOTICED_SECONDS)
    operation, disk = lives.chance.choice(("pwritev", "datasync")), lives.machines[broker_id].disk
    fault = disk.fail(operation, f"{DIRECTORY}/*.log", skip=lives.chance.randrange(CRASH_WRITES_MAX))
    await asyncio.sleep(ARMED_SECONDS)
    fault.times = 0


async def lose_sector(lives: "ClusterLives") -> None:
    """A sector of a segment cannot be read, for a while: what the broker has counts as lost."""
    broker_id, seconds = lives.any_broker(), duration(lives)
    tree = lives.machines[broker_id].disk.tree
    paths = [path for path in lives.segments_of(broker_id) if _size(tree.find(path))]
    if not paths or not lives.may_lose_power(broker_id):
        return
    path = lives.chance.choice(paths)
    inode = tree.find(path)
    lives.power_lost_at[broker_id] = lives.server.keyspace.revision
    lives.disk_trouble(broker_id, seconds + DISK_NOTICED_SECONDS)
    lives.machines[broker_id].disk.make_unreadable(path, lives.chance.randrange(_size(inode)))
    await asyncio.sleep(seconds)
    if isinstance(inode, FileInode):
        inode.bad_sectors.clear()


def _size(inode: object) -> int:
    return inode.size if isinstance(inode, FileInode) else 0


async def disturb_store(lives: "ClusterLives") -> None:
    """For a while transactions are refused, applied late, or applied without an answer, as by an etcd in trouble."""
    faults, rate = lives.store_faults, lives.chance.choice((0.05, 0.2))
    lives.store_trouble(seconds := duration(lives))
    faults.refused_rate = faults.reply_lost_rate = faults.applied_late_rate = rate
    await asyncio.sleep(seconds)
    faults.refused_rate = faults.reply_lost_rate = faults.applied_late_rate = 0.0


async def expire_leases(lives: "ClusterLives") -> None:
    """All at once: what etcd does after it was paused."""
    lives.store_trouble(lives.session_s)
    lives.server.expire_all_leases()


async def compact_store(lives: "ClusterLives") -> None:
    """Whoever is behind has to load everything again."""
    lives.server.compact_everything()


async def skew_clock(lives: "ClusterLives") -> None:
    """Somebody sets a broker's clock, or it runs too quickly or too slowly from now on."""
    clock = lives.machines[lives.any_broker()].clock
    if lives.chance.random() < 0.5:
        clock.jump(lives.chance.choice((-3_600_000, -1_000, 1_000, 3_600_000)))
    else:
        clock.drift = lives.chance.choice((-0.01, 0.01))


async def stand_still(lives: "ClusterLives") -> None:
    """A broker gets no processor for most of the time: it is slow, or, when that is for long, taken for dead."""
    process = lives.machines[lives.any_broker()].process
    still_s, seconds = lives.chance.choice((0.5, 2.0, 2.0, 12.0)), duration(lives)
    until = lives.now + seconds
    while process is not None and process.alive and lives.now < until:
        process.loop.freeze()
        await asyncio.sleep(still_s)
        process.loop.thaw()
        await asyncio.sleep(GOES_ON_SECONDS)


async def slow_down_disk(lives: "ClusterLives") -> None:
    """A broker's writes go through threads and take seconds."""
    broker_id, seconds = lives.any_broker(), duration(lives)
    process, broker = lives.machines[broker_id].process, lives.brokers.get(broker_id)
    if process is None or broker is None or not process.alive:
        return
    for health in broker.logs.healths.values():
        for _ in range(SLOW_WRITES):
            broker.logs.write_stalled(health, process.loop.time())
    process.loop.executor.delay_s = lives.chance.choice((0.1, 1.5, 4.0))
    await asyncio.sleep(seconds)
    process.loop.executor.delay_s = 0.0


FAULTS: tuple[tuple[int, Fault], ...] = (
    (5, crash),
    (1, crash_several),
    (4, isolate),
    (3, lose_store),
    (1, reset),
    (1, fill_disk),
    (1, disturb_store),
    (1, expire_leases),
    (1, compact_store),
    (1, skew_clock),
    (1, stand_still),
    (1, slow_down_disk),
    (2, operators.reassign),
    (1, operators.drain),
    (1, operators.change_min_isr),
    (1, operators.elect_preferred),
    (2, operators.come_and_go),
    (1, fail_disk),
    (1, lose_sector),
)
"""With their weights."""

STORE_FAULTS: tuple[tuple[int, Fault], ...] = (
    (3, crash),
    (3, isolate),
    (3, lose_store),
    (4, disturb_store),
    (1, expire_leases),
    (1, compact_store),
    (2, operators.reassign),
    (1, operators.change_min_isr),
)
"""Mostly of the metadata store, while replicas come and go."""
