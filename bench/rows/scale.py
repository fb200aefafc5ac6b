"""One machine's worth of everything: what 10,000 partitions, 2,000 connections and 5,000 members of groups cost."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from struct import unpack_from

from bench.broker import Broker
from bench.contender import BenchRow, Contender, Options
from bench.requests import encoded
from bench.rows.processes import idle_share
from odradek.benchmark import drivers, resources
from odradek.benchmark.connection import Connection
from odradek.benchmark.errors import BenchError
from odradek.benchmark.row import Measured, Metric
from odradek.benchmark.rows import batch, load
from odradek.benchmark.target import Target

TOPICS, PARTITIONS_EACH = 10, 1_000
PARTITIONS = TOPICS * PARTITIONS_EACH
CONNECTIONS = 2_000
GROUPS, MEMBERS = 1_000, 5
GROUPS_AT_ONCE = 100
ASKED = 2_000
"""Requests of one kind that are averaged."""
_LONG = timedelta(minutes=5)
_SUBSCRIPTION = b"\x00\x01\x00\x00\x00\x01\x00\x05scale\x00\x00\x00\x00"
_US = 1e6


def partitions(contender: Contender, options: Options) -> Measured:
    """Memory of each, what asking for all of them costs, a fetch session of all, idling, and a restart with them."""
    with contender.new() as broker:
        target, names = broker.target, [f"scale-{number}" for number in range(TOPICS)]
        before_mb = resident_mb(target)
        for name in names:
            target.create_topic(name, PARTITIONS_EACH, {})
        wide_mb = resident_mb(target)
        with Connection(target.address) as connection:
            measured = {
                "memory": (wide_mb - before_mb) * 1e6 / 1024 / PARTITIONS,
                "metadata": _cost_us(
                    target, connection, [encoded("metadata", 4, topics=None, allow_auto_topic_creation=False)] * ASKED
                ),
                "offsets": _cost_us(target, connection, [_all_offsets(names)] * 5) / 1000,
                "fetch": _session_cost_us(target, connection, names),
            }
        idle = idle_share(target)
        broker.stop()
        started = broker.start_measured()
    return {**measured, "idle": idle, "restart": started.ack_s}


def connections(contender: Contender, options: Options) -> Measured:
    """Memory of each idle one, idling with all, and 32 that work beside them compared with 32 alone."""
    with contender.new() as broker, broker.target.topic() as topic, ExitStack() as stack:
        target = broker.target
        loads = [stack.enter_context(load(target, topic, batch(1, 100))) for _ in range(32)]
        ends, requests = [each.connection for each in loads], [each.request for each in loads]
        drivers.from_many(ends, requests, 0.5)
        alone = _working_us(target, ends, requests, options.seconds)
        before_mb = resident_mb(target)
        hello = encoded("api_versions", 3, client_software_name="bench", client_software_version="1")
        for _ in range(CONNECTIONS):
            stack.enter_context(Connection(target.address)).call(hello)
        memory_kb = (resident_mb(target) - before_mb) * 1e6 / 1024 / CONNECTIONS
        idle = idle_share(target)
        beside = _working_us(target, ends, requests, options.seconds)
    return {"memory": memory_kb, "idle": idle, "alone": alone, "beside": beside}


def groups(contender: Contender, options: Options) -> Measured:
    """Joining, a heartbeat in all of them and in one, a commit, idling, and a restart up to the last group's answer."""
    with contender.new({"group.initial.rebalance.delay.ms": "3000"}) as broker:
        target = broker.target
        _wait_for_coordinator(target)
        before_mb, before_s = resident_mb(target), _cpu_s(target)
        members = _join_all(target)
        joined_us = (_cpu_s(target) - before_s) / len(members) * _US
        memory_kb = (resident_mb(target) - before_mb) * 1e6 / 1024 / len(members)
        beats = [encoded("heartbeat", 2, group_id=g, generation_id=n, member_id=m) for g, n, m in members]
        with Connection(target.address) as connection:
            few = _cost_us(target, connection, beats[:MEMBERS] * GROUPS)
            many = _cost_us(target, connection, beats)
        idle = idle_share(target)
        broker.stop()
        begin = time.perf_counter()
        broker.start_measured()
        _wait_for_heartbeat(broker, beats[-1])
        restart = time.perf_counter() - begin
    return {"joined": joined_us, "memory": memory_kb, "few": few, "many": many, "idle": idle, "restart": restart}


def resident_mb(target: Target) -> float:
    return resources.resident_mb(*target.pids)


def _cpu_s(target: Target) -> float:
    return resources.cpu_s(*target.pids)


def _cost_us(target: Target, connection: Connection, requests: Sequence[bytes]) -> float:
    """Microseconds of processor time for each, one after the other."""
    connection.call(requests[0])
    before_s = _cpu_s(target)
    for request in requests:
        connection.call(request)
    return (_cpu_s(target) - before_s) / len(requests) * _US


def _working_us(target: Target, ends: Sequence[Connection], requests: Sequence[bytes], seconds: float) -> float:
    before_s = _cpu_s(target)
    answered = drivers.from_many(ends, requests, seconds)
    return (_cpu_s(target) - before_s) / answered * _US


def _all_offsets(names: Sequence[str]) -> bytes:
    wanted = [{"partition_index": index, "timestamp": -1} for index in range(PARTITIONS_EACH)]
    topics = [{"name": name, "partitions": wanted} for name in names]
    return encoded("list_offsets", 1, replica_id=-1, topics=topics)


def _session_cost_us(target: Target, connection: Connection, names: Sequence[str]) -> float:
    """Of a fetch of a session with every partition, none of which has anything."""
    wanted = [
        {"partition": index, "fetch_offset": 0, "partition_max_bytes": 1 << 20} for index in range(PARTITIONS_EACH)
    ]
    topics = [{"topic": name, "partitions": wanted} for name in names]
    begin = _fetch(0, 0, topics)
    (session_id,) = unpack_from(">i", connection.call(begin), 4 + 4 + 2)
    connection.call(_fetch(session_id, 1, []))
    return _cost_us(target, connection, [_fetch(session_id, epoch, []) for epoch in range(2, ASKED)])


def _fetch(session_id: int, epoch: int, topics: Sequence[object]) -> bytes:
    return encoded(
        "fetch", 11, replica_id=-1, max_wait=timedelta(0), min_bytes=0, max_bytes=1 << 20, isolation_level=0,
        session_id=session_id, session_epoch=epoch, topics=topics, forgotten_topics_data=[], rack_id="",
    )  # fmt: skip


def _wait_for_coordinator(target: Target) -> None:
    deadline = time.monotonic() + 60
    with Connection(target.address) as connection:
        while unpack_from(">h", connection.call(encoded("find_coordinator", 0, key="scale")), 4)[0]:
            if time.monotonic() > deadline:
                raise BenchError("there is no group coordinator")
            time.sleep(0.05)


def _wait_for_heartbeat(broker: Broker, beat: bytes) -> None:
    deadline = time.monotonic() + 60
    with Connection(broker.target.address) as connection:
        while unpack_from(">h", connection.call(beat), 4 + 4)[0]:
            if time.monotonic() > deadline:
                raise BenchError("the groups were not there after the restart")
            time.sleep(0.002)


Member = tuple[str, int, str]
"""Group, generation, member id."""


def _join_all(target: Target) -> list[Member]:
    members: list[Member] = []
    with _many(target, GROUPS_AT_ONCE * MEMBERS) as ends:
        for first in range(0, GROUPS, GROUPS_AT_ONCE):
            members += _join(ends, [f"scale-{first + number}" for number in range(GROUPS_AT_ONCE)])
    return members


@contextmanager
def _many(target: Target, count: int) -> Iterator[list[Connection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Connection(target.address)) for _ in range(count)]


def _join(ends: Sequence[Connection], names: Sequence[str]) -> list[Member]:
    """All members of some groups, each on a connection of its own, up to their assignments."""
    protocols = [{"name": "range", "metadata": _SUBSCRIPTION}]
    groups = [name for name in names for _ in range(MEMBERS)]
    for end, group in zip(ends, groups, strict=True):
        end.socket.sendall(
            encoded(
                "join_group",
                1,
                group_id=group,
                session_timeout=_LONG,
                rebalance_timeout=_LONG,
                member_id="",
                protocol_type="consumer",
                protocols=protocols,
            )
        )
    members = [(group, *_joined(bytes(end.receive()))) for end, group in zip(ends, groups, strict=True)]
    for end, (group, generation, member) in zip(ends, members, strict=True):
        assigned = [{"member_id": each[2], "assignment": bytes(30)} for each in members if each[0] == group]
        end.socket.sendall(
            encoded("sync_group", 0, group_id=group, generation_id=generation, member_id=member, assignments=assigned)
        )
    for end in ends:
        (error,) = unpack_from(">h", end.receive(), 4)
        if error:
            raise BenchError(f"a member got error code {error} for its assignment")
    return members


def _joined(response: bytes) -> tuple[int, str]:
    """Generation and member id."""
    error, generation = unpack_from(">hi", response, 4)
    if error or generation != 1:
        raise BenchError(f"joining a group gave error code {error} and generation {generation}")
    position = 4 + 2 + 4
    for _ in ("protocol", "leader"):
        position += 2 + unpack_from(">h", response, position)[0]
    (size,) = unpack_from(">h", response, position)
    return generation, response[position + 2 : position + 2 + size].decode()


_IDLE = Metric("idle", "% of a core idle")
_RESTART = Metric("restart", "s to first ack, restarted")

SCALE_ROWS = [
    BenchRow(
        "scale-partitions", f"{PARTITIONS:,} partitions",
        (
            Metric("memory", "KiB each"), Metric("metadata", "CPU us to tell all"), Metric("offsets", "CPU ms to list"),
            Metric("fetch", "CPU us/fetch of all, nothing new"), _IDLE, _RESTART,
        ),
        partitions, repeats=1,
    ),
    BenchRow(
        "scale-connections", f"{CONNECTIONS:,} idle connections, and 32 that work",
        (
            Metric("memory", "KiB each"), _IDLE, Metric("alone", "CPU us/request, 32 alone"),
            Metric("beside", "CPU us/request beside them"),
        ),
        connections, repeats=1,
    ),
    BenchRow(
        "scale-groups", f"{GROUPS:,} groups of {MEMBERS} members",
        (
            Metric("joined", "CPU us/member joined"), Metric("memory", "KiB each"), Metric("few", "CPU us/beat in one"),
            Metric("many", "CPU us/beat in all"), _IDLE, Metric("restart", "s to first heartbeat, restarted"),
        ),
        groups, repeats=1,
    ),
]  # fmt: skip
