"""A whole broker that goes through a script, and is disturbed at one step of I/O: each of them, in turn.

The first run of a schedule counts the steps; the others end the process there, cut the power, let the operation fail,
or fill the disk. Then the broker starts again and everything it has promised is asked for, the script goes on, and
everything is asked for once more. A quarter of the runs are disturbed a second time, often while they recover.
"""

import asyncio
import errno
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd
from random import Random
from typing import Any, Literal

from kio.schema.errors import ErrorCode

from odradek.broker.broker import Broker
from odradek.cluster.results import ClusterStartError, MetadataUnavailable
from odradek.config import BrokerConfig
from odradek.log.errors import LogError
from odradek.metastore.store import StoreError
from odradek.simulation import Machine, NetworkOptions, Operation, Process, World
from tests.simulation import broker_requests as requests
from tests.simulation.broker_script import BROKER, PORT, Action, Script
from tests.simulation.journal_store import JournalStore
from tests.simulation.promises import Promises, Topic
from tests.support.history import Acknowledged, Final
from tests.support.wire_client import WireClient

Kind = Literal["process", "power", "eio", "enospc"]
CLIENT = "client"
DIRECTORY, METADATA = "/data", "/metadata"
RETRIED = (ConnectionError, TimeoutError, OSError)
FAILING = (LogError, StoreError, ClusterStartError, MetadataUnavailable, OSError)
"""What a broker may end with when its disk has failed or is full."""
GROWING = ("create", "pwritev", "mkdir", "allocate")
RETRY_SECONDS, QUIET_SECONDS, ACTION_SECONDS_MAX = 0.1, 0.5, 120.0
FULL_SECONDS_MAX, FREE_BYTES_MAX = 4.0, 3000
STEPS_MAX = 600_000
AGAIN_CHANCE, RECOVERY_STEPS_MAX, AGAIN_STEPS_MAX = 0.25, 25, 300


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens, and how many steps of I/O after the broker's start."""

    kind: Kind
    step: int


class BrokerSteps:
    """One run: the machine, the script, the promises. A second trouble's step counts from the start after the first."""

    def __init__(
        self,
        schedule: int,
        troubles: Sequence[Trouble],
        *,
        flushed: bool,
        script: type[Script] = Script,
        replay: str | None = None,
    ) -> None:
        self.world = World(schedule, options=NetworkOptions(connect_timeout=1.0), replay=replay)
        self.chance = Random(f"{schedule} broker steps")
        self.flushed = flushed
        self.promises = Promises(flushed=flushed)
        self.machine: Machine = self.world.machine(BROKER)
        self.script = script(self.promises, self.stop, self.machine.clock.time_ms)
        for path in (DIRECTORY, METADATA):
            self.machine.disk.make_directories(path)
        self.troubles = list(troubles)
        self.trouble: Trouble | None = None
        """That which has happened and was not recovered from yet."""
        self.loses_suffix = False
        self.may_fail = False
        """The disk has refused something, or is full."""
        self.obstacle: Exception | None = None
        """What the clients met last."""
        self.stopping: asyncio.Future[None] | None = None
        """Of the broker that runs; done when it is to stop in good order."""

    def run(self) -> tuple[str, int]:
        """Digest, and steps of I/O. Raises AssertionError with what was promised and not kept."""
        with self.world as world:
            self.start()
            world.run(self.clients, on=CLIENT, steps_max=STEPS_MAX)
            world.check()
            return world.digest, self.machine.disk.steps

    # The broker

    def start(self) -> None:
        if self.troubles:
            trouble = self.troubles.pop(0)
            disk = self.machine.disk
            disk.at_step(disk.steps + trouble.step, lambda operation: self.disturb(trouble, operation))
        self.promises.started()
        self.machine.start(self.serve)

    async def serve(self, process: Process) -> None:
        broker = Broker(
            process.host, process.loop, self.config(), JournalStore(process.host.files, f"{METADATA}/journal")
        )
        try:
            await broker.start()
            self.stopping = process.loop.create_future()
            await asyncio.wait((self.stopping, broker.failed), return_when=asyncio.FIRST_COMPLETED)
            if broker.failed.done():
                raise broker.failed.result()
            await broker.stop()
            if self.trouble is None:
                self.promises.stopped()
        except FAILING:
            if not self.may_fail:
                raise

    async def stop(self, _: WireClient) -> bool:
        if self.stopping is not None and not self.stopping.done():
            self.stopping.set_result(None)
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if not self.is_up():
                return True

    def disturb(self, trouble: Trouble, operation: Operation) -> None:
        """The step is about to happen. Raises the error it is to end with."""
        self.trouble, disk = trouble, self.machine.disk
        if trouble.kind in ("process", "power"):
            disk.crash_at(disk.steps, trouble.kind)
            self.loses_suffix = trouble.kind == "power"
            return
        self.promises.had_fault = self.may_fail = True
        if trouble.kind == "eio":
            self.loses_suffix = operation.name == "datasync"
            raise OSError(errno.EIO, "drawn", operation.path)
        disk.capacity_bytes = disk.used_bytes + self.chance.choice((0, self.chance.randint(0, FREE_BYTES_MAX)))
        self.client_loop.call_later(self.chance.uniform(0.0, FULL_SECONDS_MAX), self.make_room)
        if operation.name in GROWING:
            raise OSError(errno.ENOSPC, "drawn", operation.path)

    def is_up(self) -> bool:
        return self.machine.process is not None

    def make_room(self) -> None:
        self.machine.disk.capacity_bytes = None

    def config(self) -> BrokerConfig:
        values: dict[str, Any] = {
            "node.id": 1,
            "log.dirs": DIRECTORY,
            "listeners": f"PLAINTEXT://{BROKER}:{PORT}",
            "offsets.topic.num.partitions": 1,
            "odradek.disk.reserve.bytes": 0,
            "group.initial.rebalance.delay.ms": 0,
            "log.retention.ms": -1,
            "log.roll.ms": 2000,
            "log.segment.delete.delay.ms": 500,
            "log.retention.check.interval.ms": 1000,
            "log.flush.offset.checkpoint.interval.ms": 1500,
            "log.flush.start.offset.checkpoint.interval.ms": 2500,
            "replica.high.watermark.checkpoint.interval.ms": 3000,
        }
        values.update(self.script.config)
        if self.flushed:
            values["log.flush.interval.messages"] = 1
        return BrokerConfig.parse(values)

    # The clients

    async def clients(self, process: Process) -> None:
        self.client_loop = process.loop
        for action in self.script.actions():
            await self.until_done(action)
        await self.until_done(self.verify)
        if self.trouble is not None:  # It came in the very last moment.
            await self.until_done(self.verify)
        if not self.promises.had_fault:
            await self.until_done(self.nothing_is_left)

    async def until_done(self, action: Action) -> None:
        """Over a new connection, again and again; whoever died meanwhile is brought back, and asked for everything."""
        try:
            async with asyncio.timeout(ACTION_SECONDS_MAX):
                while not await self.attempt(action):
                    await asyncio.sleep(RETRY_SECONDS)
                    await self.come_back()
                await self.come_back()
        except TimeoutError:
            raise AssertionError(
                f"{action.__qualname__} not done in {ACTION_SECONDS_MAX} s: {self.obstacle!r}"
            ) from None

    async def attempt(self, action: Action) -> bool:
        try:
            async with await WireClient.connect(BROKER, PORT) as client:
                return await action(client)
        except RETRIED as error:
            self.obstacle = error
            return False

    async def come_back(self) -> None:
        while not self.is_up():
            await asyncio.sleep(QUIET_SECONDS)  # what is under way arrives
            if self.trouble is not None:
                self.promises.crashed(loses_suffix=self.loses_suffix)
                self.trouble, self.loses_suffix = None, False
            if self.machine.disk.capacity_bytes is None:
                self.may_fail = False
            self.start()
            verified = False
            while self.is_up() and not verified:
                verified = await self.attempt(self.verify)
                await asyncio.sleep(RETRY_SECONDS)

    # What was promised

    async def verify(self, client: WireClient) -> bool:
        """Ask for everything there is, and hold it against what was promised."""
        names = list(self.promises.topics)
        answers = (await client.metadata(names)).topics if names else ()
        for answer in answers:
            if not self.promises.topics[answer.name].check(answer):
                return False
        for answer in answers:
            if answer.error_code is ErrorCode.none:
                await self.verify_topic(client, self.promises.topics[answer.name], len(answer.partitions))
        for group, topic in self.promises.committed:
            self.promises.commit_read(group, topic, await requests.committed(client, group, topic))
        self.promises.check()
        return True

    async def nothing_is_left(self, _: WireClient) -> bool:
        """Of topics that are gone; and nothing was taken for a stranger's."""
        topics = self.promises.topics.values()
        places = {f"{each.name}-{index}" for each in topics if each.state == "made" for index in range(each.partitions)}
        found = self.machine.disk.mount().listdir(DIRECTORY)
        left = sorted(each for each in found if each.startswith(tuple(self.promises.topics)) and each not in places)
        self.obstacle = AssertionError(f"left over: {left}")
        return not left

    async def verify_topic(self, client: WireClient, topic: Topic, partitions: int) -> None:
        topic.check_configs(await requests.configs(client, topic.name, tuple(topic.configs)))
        for index in range(partitions):
            start, end = await requests.bounds(client, topic.name, index)
            records = await requests.read(client, topic.name, index, start, end)
            assert [offset for offset, _ in records] == list(range(start, end)), f"{topic.name} has gaps"
            place = topic.name, index
            topic.check_start(index, start)
            topic.history.add(Final(place, start, tuple(records)))
            topic.history.add(*(Acknowledged(place, value, offset) for offset, value in records))
            self.promises.check()
            if index == 0:
                await self.script.senders[topic.name].repeat(client, {value for _, value in records})


# The sweep


@cache
def steps_of(schedule: int, script: str, *, flushed: bool) -> int:
    """Steps of I/O of the whole script when nothing happens."""
    every: list[type[Script]] = [Script, *Script.__subclasses__()]
    scripts = {each.__name__: each for each in every}
    return BrokerSteps(schedule, (), flushed=flushed, script=scripts[script]).run()[1]


def run_steps(seed: int, kinds: Sequence[Kind], *, flushed: bool, script: type[Script] = Script, replay: str) -> str:
    """The `seed`-th run of a sweep: every kind at every step, far apart ones first; then another schedule."""
    schedule, rank = divmod(seed, 1 << 16)
    number, kind = rank // len(kinds), kinds[rank % len(kinds)]
    steps = steps_of(schedule, script.__name__, flushed=flushed)
    troubles = [Trouble(kind, 1 + number * _stride(steps) % steps)]
    chance = Random(f"{seed} troubles")
    if chance.random() < AGAIN_CHANCE:
        most = chance.choice((RECOVERY_STEPS_MAX, AGAIN_STEPS_MAX))
        troubles.append(Trouble(chance.choice(kinds), chance.randint(1, most)))
    return BrokerSteps(schedule, troubles, flushed=flushed, script=script, replay=replay).run()[0]


def _stride(steps: int) -> int:
    """Coprime to the number of steps, near its golden section: any few runs are spread over all of them."""
    stride = max(int(steps * 0.618), 1)
    while gcd(stride, steps) != 1:
        stride += 1
    return stride
