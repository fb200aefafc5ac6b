"""The lives of a follower: leaders change and lose records, connections and sessions go, the follower dies and comes
back, disks and networks are slow; in the end its logs are its leaders', batch for batch, and so are its producers.
"""

import asyncio
from random import Random

from kio.schema.errors import ErrorCode

from odradek.log.health import SLOW_WRITES
from odradek.simulation import CrashKind, Process
from odradek.wire.records import batches
from tests.simulation.scripted_following import DIRECTORY, LEADERS, TOPIC_ID, Follower, Following
from tests.simulation.scripted_leader import LeaderLog

PARTITIONS = 3
ACTIONS = 60
PRODUCER = 900
CRASH_STEPS_MAX = 60
NEVER = 1 << 60
SEGMENTS = {"segment.bytes": "1048576", "segment.ms": "2000", "index.interval.bytes": "0"}
ERRORS = (
    ErrorCode.not_leader_or_follower,
    ErrorCode.unknown_leader_epoch,
    ErrorCode.unknown_topic_id,
    ErrorCode.kafka_storage_error,
)


class FollowerLives(Following):
    """`synced`: topics with flush.messages=1; then what a leader was told is here must survive a power loss."""

    def __init__(self, seed: int, *, synced: bool, replay: str | None = None) -> None:
        topic = SEGMENTS | ({"flush.messages": "1"} if synced else {})
        config = {
            "num.replica.fetchers": 2,
            "replica.socket.timeout.ms": 2000,
            "replica.fetch.response.max.bytes": 2000,
        }
        super().__init__(seed, partitions=PARTITIONS, topic=topic, config=config, replay=replay)
        self.chance = Random(f"{seed} follower lives")
        self.synced = synced
        self.sequences = [0] * PARTITIONS
        self.retired: dict[tuple[int, int], LeaderLog] = {}
        """By partition and broker: the log of a leader that was deposed."""
        self.told: dict[int, int] = {}
        """By partition: the offset its present leader was told is here."""

    def live(self) -> str:
        return self.run(lambda _: self.act_and_settle())

    async def act_and_settle(self) -> None:
        for index in range(PARTITIONS):
            self.lead(LeaderLog(), index, self.chance.choice(LEADERS), in_sync=False)
        for _ in range(ACTIONS):
            self.act()
            await asyncio.sleep(self.chance.choice((0.0, 0.01, 0.3)) * self.chance.random())
            self.note_told()
            if self.machine.process is None:
                self.follower = None
                self.start_follower()
        await self.settle()

    def act(self) -> None:
        index = self.chance.randrange(PARTITIONS)
        actions = (
            *(self.append,) * 8,
            *(self.commit,) * 3,
            *(self.elect,) * 3,
            self.delete,
            self.disturb,
            self.disturb,
            self.heal,
            self.die,
        )
        self.chance.choice(actions)(index)
        for leader in self.leaders.values():
            leader.changed()

    # What leaders do

    def append(self, index: int) -> None:
        self.append_to(self.led(index, self.images[index].leader), index)

    def append_to(self, log: LeaderLog, index: int) -> None:
        for _ in range(self.chance.randint(1, 3)):
            values = [f"{index}-{self.sequences[index] + each}" for each in range(self.chance.randint(1, 4))]
            values[0] += "." * self.chance.choice((0, 50, 700))
            log.append(*values, producer=(PRODUCER + log.epoch, self.sequences[index]))
            self.sequences[index] += len(values)

    def commit(self, index: int) -> None:
        log = self.led(index, self.images[index].leader)
        log.high_watermark = max(log.high_watermark, self.chance.randint(log.start, log.end))

    def delete(self, index: int) -> None:
        log = self.led(index, self.images[index].leader)
        log.start = self.chance.randint(log.start, max(log.start, log.high_watermark))
        if self.chance.random() < 0.5:
            log.batches = [batch for batch in log.batches if batch.last_offset >= log.start] or log.batches[-1:]

    def elect(self, index: int) -> None:
        """Either broker: with a part of the log, or with one of its own, which it went on with when nobody listened."""
        before = self.images[index]
        old, leader = self.led(index, before.leader), self.chance.choice(LEADERS)
        own = self.retired.pop((index, leader), None)
        if own is None or self.chance.random() < 0.4:
            own = old.copy_to(self.chance.choice((old.end, self.chance.randint(old.start, old.end))))
        del self.leaders[before.leader].logs[TOPIC_ID, index]
        self.retired[index, before.leader] = old
        self.append_to(old, index)
        own.lead(before.leader_epoch + self.chance.choice((1, 1, 3)))
        self.told.pop(index, None)
        self.lead(own, index, leader, in_sync=False)
        if self.chance.random() < 0.7:
            self.append_to(own, index)

    # What happens to them all

    def disturb(self, index: int) -> None:
        leader, name = self.leaders[self.images[index].leader], f"leader-{self.images[index].leader}"
        log, draw = self.led(index, self.images[index].leader), self.chance.random()
        if draw < 0.2:
            log.is_corrupt = True
        elif draw < 0.4:
            log.error = self.chance.choice(ERRORS)
        elif draw < 0.5 and leader._process is not None:
            leader.forget_sessions()
        elif draw < 0.6:
            self.world.network.reset_connections(name, "follower")
        elif draw < 0.7:
            self.world.network.partition(name, "follower")
        elif draw < 0.8:
            leader.delay_seconds = self.chance.uniform(0.0, 1.0)
        elif draw < 0.9:
            self.world.machine(name).crash("process")
            self.world.machine(name).start(leader.serve)
        else:
            self.slow_down()

    def slow_down(self) -> None:
        if self.follower is not None and self.machine.process is not None:
            for _ in range(SLOW_WRITES):
                logs = self.follower.logs
                logs.write_stalled(logs.healths[DIRECTORY], logs.now())

    def heal(self, _: int) -> None:
        self.world.network.heal()
        for leader in self.leaders.values():
            leader.delay_seconds = 0.0
            for log in leader.logs.values():
                log.is_corrupt, log.error = False, ErrorCode.none

    def die(self, _: int) -> None:
        """At once, or at one of the next operations of the disk."""
        kind: CrashKind = self.chance.choice(("process", "power"))
        disk = self.machine.disk
        if self.machine.process is not None and self.chance.random() < 0.4:
            self.crash(kind)
        else:
            disk.crash_at(disk.steps + self.chance.randint(1, CRASH_STEPS_MAX), kind)

    # What must hold

    async def _live(self, process: Process) -> None:
        self.note_told()
        await super()._live(process)

    async def started(self, follower: Follower) -> None:
        for index, offset in self.told.items():
            end = follower.partitions[index].log.log_end_offset
            assert not self.synced or end >= offset, f"partition {index} was told to reach {offset} and ends at {end}"

    def note_told(self) -> None:
        """Of the present leader epochs."""
        for index, image in self.images.items():
            epoch, offset = self.leaders[image.leader].accepted.get(index, (-1, 0))
            if epoch == image.leader_epoch:
                self.told[index] = offset

    async def settle(self) -> None:
        """After all faults: everything that leaders have arrives."""
        self.machine.disk.crash_at(NEVER, "process")
        self.heal(0)
        for index in range(PARTITIONS):
            log = self.led(index, self.images[index].leader)
            log.high_watermark = log.end
            self.leaders[self.images[index].leader].changed()
        if self.machine.process is None:
            self.start_follower()
        for index in range(PARTITIONS):
            await self.follows(index)
            self.check_producers(index)
        assert self.fetchers.failed == 0

    def check_producers(self, index: int) -> None:
        """What the producers of the batches that are left wrote last is known."""
        last: dict[int, int] = {}
        content = self.content(index)
        for _, header in batches(content):
            last[header.producer_id] = header.last_sequence
        known = {each: entry.last_sequence for each, entry in self.log(index).producers.entries.items()}
        assert {each: known.get(each) for each in last} == last
