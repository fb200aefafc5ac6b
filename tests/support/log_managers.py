"""Log managers on temporary directories, and conditions to wait for."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from odradek.config import TopicConfig
from odradek.host import FileSystem, Host
from odradek.host.posix import PosixFiles
from odradek.host.processes import Processes
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.partition_files import PartitionKey
from odradek.log.settings import LogSettings
from tests.support.logs import NOW_MS, topic_config

DEADLINE_S = 20.0
FLIGHTS = UUID(int=0xF1)
CREWS = UUID(int=0xC2)


class FixedClock:
    """A wall clock that stands still."""

    def time_ms(self) -> int:
        return NOW_MS

    def stopwatch_s(self) -> float:
        return 0.0

    def uptime_s(self) -> float:
        return 0.0


def host_of(
    files: FileSystem | None = None,
    *,
    boot_id: str = "boot-1",
    pid: int = 4711,
    processes: Processes | None = None,
) -> Host:
    """A machine with the real file system unless another is given."""
    clock, chance = FixedClock(), random.Random(7)
    return Host(files or PosixFiles(), clock, chance, boot_id, "localhost", pid, processes=processes)


def new_manager(
    *paths: Path,
    files: FileSystem | None = None,
    boot_id: str = "boot-1",
    config: TopicConfig | None = None,
    processes: Processes | None = None,
    **settings: Any,
) -> LogManager:
    """Must be called on a running loop; nothing is opened yet."""
    log_settings = LogSettings(tuple(str(path) for path in paths), **{"odradek_disk_reserve_bytes": 4096, **settings})
    host = host_of(files, boot_id=boot_id, processes=processes)
    return LogManager(host, asyncio.get_running_loop(), log_settings, config or topic_config())


async def opened(*paths: Path, **options: Any) -> LogManager:
    """A manager that has loaded its directories and ticks."""
    manager = new_manager(*paths, **options)
    manager.lock("127.0.0.1:9092")
    await manager.load("cluster-1", 1)
    manager.start()
    return manager


async def crash(manager: LogManager) -> None:
    """The process dies: nothing is synced or checkpointed, and the directories are free."""
    await manager.upkeep.stop()
    manager.abandon()


def keys(topic: str, count: int, topic_id: UUID = FLIGHTS) -> list[PartitionKey]:
    """The partitions of a topic."""
    return [PartitionKey(topic, index, topic_id) for index in range(count)]


async def create(manager: LogManager, wanted: Sequence[PartitionKey], config: TopicConfig | None = None) -> list[Log]:
    """Make logs that must come about."""
    made = await manager.create(wanted, config or topic_config())
    logs = [made[key] for key in wanted]
    assert all(isinstance(log, Log) for log in logs), logs
    return [log for log in logs if isinstance(log, Log)]


async def until(condition: Callable[[], object]) -> None:
    """Returns as soon as the condition holds; fails after a deadline."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not condition():
        assert loop.time() < deadline, "the condition did not come about"
        await asyncio.sleep(0.005)
