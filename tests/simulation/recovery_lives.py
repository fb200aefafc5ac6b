"""Three brokers whose metadata store is put back from an older backup while they are down, and what can follow."""

from collections.abc import Awaitable, Callable
from functools import partial

from odradek.cluster.keys import Keys
from odradek.cluster.writer import Writer
from odradek.config import BrokerConfig
from odradek.metastore.memory import MemoryStore
from odradek.metastore.store import Put, StoreRegressed
from odradek.recovery.apply import Recovery, load
from odradek.recovery.plan import make_plan
from odradek.recovery.report import Report, read_report
from odradek.recovery.survey import survey
from odradek.simulation import Process
from tests.simulation.replicated import BROKERS, DIRECTORY, Replicated

KEYS = Keys("default")
PARTITIONS = 2


class Restored(Replicated):
    """`refused` are brokers that did not start, and why."""

    def __init__(self, seed: int, *, replay: str | None = None) -> None:
        super().__init__(seed, replay=replay)
        self.refused: dict[int, str] = {}
        self.reports: dict[int, Report] = {}
        self.directories = dict.fromkeys(BROKERS, DIRECTORY)

    def config_of(self, broker_id: int) -> BrokerConfig:
        self.config["log.dirs"] = self.directories[broker_id]
        return super().config_of(broker_id)

    async def serve(self, broker_id: int, process: Process) -> None:
        try:
            await super().serve(broker_id, process)
        except StoreRegressed as error:
            self.refused[broker_id] = str(error)

    async def stop_all(self) -> None:
        for broker_id in BROKERS:
            if self.machines[broker_id].process is not None:
                self.machines[broker_id].crash("process")
        await self.until(lambda: all(self.machines[each].process is None for each in BROKERS))

    def start_all(self) -> None:
        self.refused.clear()
        for broker_id in BROKERS:
            self.start(broker_id)

    async def restart_leader(self) -> None:
        """The leader dies and comes back: leader epochs rise."""
        leader = await self.leader_of()
        self.machines[leader].crash("process")
        self.start(leader)
        await self.until(lambda: leader in self.brokers and self.brokers[leader].is_serving)

    async def survey_all(self) -> None:
        async def look(broker_id: int, process: Process) -> None:
            report = await survey(process.host, process.loop, self.config_of(broker_id))
            self.reports[broker_id] = read_report("report", report.encode())

        for broker_id in BROKERS:
            self.machines[broker_id].start(partial(look, broker_id))
        await self.until(lambda: self.reports.keys() == set(BROKERS))
        await self.until(lambda: all(self.machines[each].process is None for each in BROKERS))

    async def until_nobody_counts_as_alive(self) -> None:
        prefix = KEYS.live(0)[:-1]
        await self.until(lambda: not any(each.key.startswith(prefix) for each in self.metadata.keyspace.all_items()))

    async def recover(self, process: Process, without: tuple[int, ...] = (), *, dies: bool = False) -> None:
        await self.until_nobody_counts_as_alive()
        store = MemoryStore(self.metadata)
        writer = Writer(store, process.host.random)
        writer.max_operations = (await store.open()).max_operations
        found = await load(store, KEYS)
        reports = [report for broker_id, report in self.reports.items() if broker_id not in without]
        plan = make_plan(found.image, found.chain, reports, without)
        await Recovery(KEYS, writer, fail if dies else ignore).carry_out(plan, found)
        await store.close()


class DiedError(Exception):
    pass


def ignore(partitions: int) -> None:
    pass


def fail(partitions: int) -> None:
    raise DiedError


async def lose_metadata(cluster: Restored) -> int:
    """Back up, go on, and put the backup back; how many records there are in the first partition."""
    await cluster.create(PARTITIONS, min_insync_replicas="2")
    for partition in range(PARTITIONS):
        await cluster.produce("before", partition=partition)
    backup = cluster.metadata.backup()
    last = 0
    for number in range(3):
        await cluster.restart_leader()
        last = await cluster.produce(f"after {number}")
    await cluster.stop_all()
    cluster.metadata.restore(backup)
    return last + 1


async def is_recovered(cluster: Restored, process: Process) -> None:
    """Nobody starts on the older store; after the recovery everything acknowledged is there."""
    count = await lose_metadata(cluster)
    cluster.start_all()
    await cluster.until(lambda: len(cluster.refused) == len(BROKERS))
    assert all("put back from an older backup" in told for told in cluster.refused.values())
    await cluster.survey_all()
    await cluster.recover(process)
    cluster.start_all()
    assert await cluster.produce("recovered") == count
    for partition in range(PARTITIONS):
        await cluster.produce("again", partition=partition)
        await cluster.converged(partition)
    assert not cluster.refused
    await cluster.stop_all()
    cluster.start_all()
    await cluster.produce("once more")
    await cluster.converged()
    assert not cluster.refused


async def is_broken_off(cluster: Restored, process: Process) -> None:
    """Then nobody starts until the recovery has been done again."""
    count = await lose_metadata(cluster)
    await cluster.survey_all()
    try:
        await cluster.recover(process, dies=True)
    except DiedError:
        pass
    else:
        raise AssertionError("it did not die")
    cluster.start_all()
    await cluster.until(lambda: len(cluster.refused) == len(BROKERS))
    assert all("not finished" in told for told in cluster.refused.values())
    await cluster.recover(process)
    cluster.start_all()
    assert await cluster.produce("recovered") == count
    await cluster.converged()


async def leaves_one_out(cluster: Restored, process: Process) -> None:
    """Who was left out of the recovery does not start, and the others serve."""
    count = await lose_metadata(cluster)
    await cluster.survey_all()
    left_out = BROKERS[-1]
    await cluster.recover(process, without=(left_out,))
    cluster.start_all()
    assert await cluster.produce("recovered") == count
    await cluster.until(lambda: left_out in cluster.refused)
    assert "recovered without what this broker has" in cluster.refused[left_out]


async def is_written_on(cluster: Restored, _: Process) -> None:
    """A broker with a new disk saw nothing of what was lost and writes on: the others still know the store."""
    await lose_metadata(cluster)
    seen = max(cluster.brokers[each].cluster.image.revision for each in BROKERS)
    newcomer, *others = BROKERS
    cluster.directories[newcomer] = "/another"
    cluster.machines[newcomer].disk.make_directories("/another")
    cluster.start(newcomer)
    await cluster.until(lambda: newcomer in cluster.brokers and cluster.brokers[newcomer].is_serving)
    while cluster.metadata.keyspace.revision <= seen:
        cluster.metadata.transact([], [Put(b"odradek/default/cfg/topic/x", b'{"values":{}}')])
    for broker_id in others:
        cluster.start(broker_id)
    await cluster.until(lambda: set(others) <= cluster.refused.keys())


RESTORINGS: tuple[Callable[[Restored, Process], Awaitable[None]], ...] = (
    is_recovered,
    is_broken_off,
    leaves_one_out,
    is_written_on,
)


def run_restoring(
    seed: int, restoring: Callable[[Restored, Process], Awaitable[None]], *, replay: str | None = None
) -> str:
    """The digest."""
    cluster = Restored(seed, replay=replay)

    async def scenario(process: Process) -> None:
        await restoring(cluster, process)

    return cluster.run(scenario)
