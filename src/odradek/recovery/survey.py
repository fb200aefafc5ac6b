"""Looks into the log directories of a stopped broker: its logs are recovered as its next start would."""

import asyncio

from odradek.broker.broker import log_settings
from odradek.cluster.ids import uuid_text
from odradek.config import BrokerConfig, TopicConfig
from odradek.host import Host
from odradek.log.directory import AlreadyRunningError
from odradek.log.errors import LogError
from odradek.log.log import Log
from odradek.log.manager import LogManager
from odradek.log.properties import PropertiesError
from odradek.metastore.witness import Witness
from odradek.recovery.report import PartitionReport, Report


class SurveyError(Exception):
    """Why there can be no report; one line."""


async def survey(host: Host, loop: asyncio.AbstractEventLoop, config: BrokerConfig) -> Report:
    """Raises SurveyError: a broker runs there, none ever did, or a directory cannot be read."""
    manager = LogManager(host, loop, log_settings(config), TopicConfig.of(config, {}))
    try:
        manager.lock("")
    except (AlreadyRunningError, PropertiesError, LogError) as error:
        hint = ": stop it first" if isinstance(error, AlreadyRunningError) else ""
        raise SurveyError(f"{error}{hint}") from error
    try:
        return await _report(manager)
    except (LogError, PropertiesError) as error:
        raise SurveyError(str(error)) from error
    finally:
        manager.abandon()


async def _report(manager: LogManager) -> Report:
    owner = next((each.properties for each in manager.directories if each.properties is not None), None)
    if owner is None:
        paths = ", ".join(each.path for each in manager.directories)
        raise SurveyError(f"{paths}: no broker has been here")
    remembered, proof = manager.remembered(), manager.proof()
    await manager.load(owner.cluster_id, owner.node_id)
    for health in manager.healths.values():
        if health.is_failed:
            raise SurveyError(f"{health.path} cannot be read, and nobody knows what it holds: {health.refusal}")
    logs = sorted(manager.logs.values(), key=lambda log: (log.topic, log.partition))
    partitions, producer_id = tuple(map(partition_report, logs)), max(map(_producer_id, logs), default=-1)
    await manager.stop(proof.epoch)
    seen = Witness(manager.files, [each.path for each in manager.directories]).read()
    return Report(
        owner.cluster_id,
        owner.node_id,
        max(seen, remembered.revision),
        max(remembered.broker_epoch, proof.epoch),
        producer_id,
        partitions,
    )


def partition_report(log: Log) -> PartitionReport:
    """As the log is now."""
    return PartitionReport(
        log.topic,
        uuid_text(log.topic_id),
        log.partition,
        log.epochs.latest_epoch,
        log.log_start_offset,
        log.log_end_offset,
    )


def _producer_id(log: Log) -> int:
    return max(log.producers.entries, default=-1)
