"""Finds the damaged partitions of a stopped broker's data directory, and cuts them where they are intact."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from odradek.broker.machine import real_host
from odradek.cli.errors import CommandError
from odradek.config import BrokerConfig, TopicConfig
from odradek.host import Host
from odradek.log import checkpoints, partition_files
from odradek.log.descriptors import Descriptors
from odradek.log.directory import AlreadyRunningError, LogDirectory
from odradek.log.errors import LogError
from odradek.log.properties import PropertiesError
from odradek.log.repair import Damage, find_damage, repair
from odradek.log.storage import LogStorage
from odradek.log.tasks import OpenTask, open_tasks, stop_of


@dataclass(slots=True)
class RepairReport:
    """One damaged partition; `kept` are the files that hold what was cut, none in a dry run."""

    partition: str
    file: str
    position: int
    intact_offset: int
    reason: str
    lost_end_offset: int
    """At least: the damage hides where the log ended."""
    lost_bytes: int
    kept: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, damage: Damage) -> RepairReport:
        """What a repair would do."""
        error = damage.error
        return cls(
            partition=damage.task.key.name,
            file=error.path,
            position=error.position,
            intact_offset=error.intact_offset,
            reason=error.reason,
            lost_end_offset=damage.end_offset,
            lost_bytes=damage.size_bytes,
        )

    def as_json(self) -> dict[str, Any]:
        """The report as `odradek log repair --json` shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


def repair_directory(data_dir: Path, partitions: Sequence[str], *, execute: bool) -> Iterator[RepairReport]:
    """Look at the named partitions (all, when none is named) one after the other; one report for each damaged one.

    Raises CommandError: a broker is running there, a partition is unknown, the disk fails.
    """
    host = real_host()
    config = TopicConfig.of(BrokerConfig.parse({}), {})
    with _held(data_dir, host) as directory:
        descriptors = Descriptors(host.files)
        storage = LogStorage(host.files, descriptors, host.random)
        try:
            for task in _tasks(directory, partitions):
                damage = find_damage(storage, task, config, stop_of(directory, task.key))
                if damage is not None:
                    report = RepairReport.of(damage)
                    if execute:
                        report.kept = repair(storage, damage, config)
                    yield report
        except LogError as error:
            raise CommandError(str(error)) from error
        finally:
            descriptors.close()


@contextmanager
def _held(data_dir: Path, host: Host) -> Iterator[LogDirectory]:
    """The directory, which no broker can start in meanwhile."""
    if not (data_dir / checkpoints.RECOVERY_POINT).exists() and not (data_dir / "meta.properties").exists():
        raise CommandError(f"{data_dir} is not the data directory of a broker")
    directory = LogDirectory(host.files, str(data_dir.absolute()))
    try:
        directory.lock(os.getpid(), "")
        directory.read_state(host.boot_id)
        yield directory
    except (AlreadyRunningError, PropertiesError) as error:
        hint = ": stop it first" if isinstance(error, AlreadyRunningError) else ""
        raise CommandError(f"{error}{hint}") from error
    finally:
        directory.close()


def _tasks(directory: LogDirectory, partitions: Sequence[str]) -> list[OpenTask]:
    """What it takes to open each partition. Raises CommandError for a name that is none."""
    keys = {key.name: key for key in partition_files.scan(directory.files, directory.path).partitions}
    unknown = [name for name in partitions if name not in keys]
    if unknown:
        raise CommandError(f"{directory.path} holds no partition {unknown[0]}")
    return open_tasks(directory, [keys[name] for name in dict.fromkeys(partitions) or keys])
