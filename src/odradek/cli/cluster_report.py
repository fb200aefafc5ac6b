"""`odradek cluster status` and `plan` from what was seen: plain functions from values to lines and JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odradek.balancing.model import Move, Plan
from odradek.cli.output import plural, size
from odradek.cli.survey import SeenBroker, SeenPartition, Survey

Pid = Callable[[str, int], int | None]
"""The process that listens at a host and port of this machine, None elsewhere."""


def state_of(survey: Survey, broker: SeenBroker) -> str:
    """`down`; `drained` when it is empty and may be stopped; `draining`; `up`."""
    is_empty = not survey.held_by(broker.broker_id)
    if broker.broker_id in survey.draining:
        return "drained" if is_empty else "draining"
    return "down" if broker.is_fenced else "up"


def status_of(survey: Survey, pid: Pid) -> dict[str, Any]:
    """What `odradek cluster status --json` writes."""
    return {
        "cluster_id": survey.cluster_id,
        "controller": survey.controller_id,
        "balancing_paused": survey.is_paused,
        "brokers": [_broker(survey, each, pid) for each in survey.brokers],
        "partitions": len(survey.partitions),
        "offline_partitions": sum(each.leader < 0 for each in survey.partitions),
        "under_replicated_partitions": sum(is_under_replicated(each) for each in survey.partitions),
        "reassignments": [_reassignment(each) for each in survey.partitions if each.is_moving],
    }


def is_under_replicated(partition: SeenPartition) -> bool:
    """A replica that is only on its way is not missing."""
    original = [replica for replica in partition.replicas if replica not in partition.adding]
    return any(replica not in partition.isr for replica in original)


def _broker(survey: Survey, broker: SeenBroker, pid: Pid) -> dict[str, Any]:
    held = survey.held_by(broker.broker_id)
    return {
        "id": broker.broker_id,
        "host": broker.host,
        "port": broker.port,
        "rack": broker.rack,
        "state": state_of(survey, broker),
        "is_fenced": broker.is_fenced,
        "leaders": sum(each.leader == broker.broker_id for each in held),
        "replicas": len(held),
        "disk_total_bytes": broker.disks.total_bytes if broker.disks else None,
        "disk_free_bytes": broker.disks.free_bytes if broker.disks else None,
        "pid": None if broker.is_fenced else pid(broker.host, broker.port),
    }


def _reassignment(partition: SeenPartition) -> dict[str, Any]:
    return {
        "topic": partition.topic,
        "partition": partition.index,
        "replicas": list(partition.replicas),
        "adding": list(partition.adding),
        "removing": list(partition.removing),
    }


def status_lines(report: dict[str, Any]) -> list[str]:
    """What stands above the table of brokers."""
    troubles = [
        f"{report[key]:,} {text}"
        for key, text in (("offline_partitions", "offline"), ("under_replicated_partitions", "under-replicated"))
        if report[key]
    ]
    down = [each for each in report["brokers"] if each["is_fenced"]]
    troubles += [f"{plural(len(down), 'broker')} down"] if down else []
    health = ", ".join(troubles) or "all brokers are up, all partitions are served and in sync"
    moving = len(report["reassignments"])
    lines = [
        f"cluster {report['cluster_id']}: {health}",
        f"{plural(len(report['brokers']), 'broker')}, controller {report['controller']}; "
        f"{plural(report['partitions'], 'partition')}, {moving:,} moving",
    ]
    return [*lines, "balancing is paused: `odradek cluster resume`"] if report["balancing_paused"] else lines


BROKER_HEADERS = ["ID", "ADDRESS", "RACK", "STATE", "LEADERS", "REPLICAS", "DISK USED", "DISK", "PID"]


def broker_row(broker: dict[str, Any]) -> list[object]:
    total, free = broker["disk_total_bytes"], broker["disk_free_bytes"]
    used = f"{100 * (total - free) / total:.0f}%" if total else None
    state = f"{broker['state']}, down" if broker["is_fenced"] and broker["state"] != "down" else broker["state"]
    return [
        broker["id"],
        f"{broker['host']}:{broker['port']}",
        broker["rack"],
        state,
        broker["leaders"],
        broker["replicas"],
        used,
        size(total) if total else None,
        broker["pid"],
    ]


def plan_of(survey: Survey, plan: Plan) -> dict[str, Any]:
    """What `odradek cluster plan --json` writes."""
    return {
        "balancing_paused": survey.is_paused,
        "waits_for": list(plan.waits_for),
        "transfers": [
            {
                "topic": each.topic,
                "partition": each.index,
                "from": each.source,
                "to": each.target,
                "reason": each.reason,
            }
            for each in plan.transfers
        ],
        "moves": [
            {
                "topic": each.topic,
                "partition": each.index,
                "before": list(each.before),
                "after": list(each.after),
                "bytes": each.copied_bytes,
                "reason": each.reason,
            }
            for each in plan.moves
        ],
        "blocked": [
            {"topic": each.topic, "partition": each.index, "broker": each.broker, "reason": each.reason}
            for each in plan.blocked
        ],
    }


def plan_lines(survey: Survey, plan: Plan) -> list[str]:
    """What is said beside the table of steps."""
    lines = [f"{each.topic}-{each.index} cannot leave broker {each.broker}: {each.reason}" for each in plan.blocked]
    if plan.waits_for:
        away = ", ".join(map(str, plan.waits_for))
        lines.append(f"nothing else is balanced while brokers are down: {away} (drain or remove one that stays away)")
    if survey.is_paused:
        lines.append("balancing is paused, no replica begins to move: `odradek cluster resume`")
    copied = sum(move.copied_bytes for move in plan.moves)
    if plan.moves:
        lines.append(f"{plural(len(plan.moves), 'partition')} to change, {size(copied)} to copy")
    return lines


PLAN_HEADERS = ["PARTITION", "STEP", "BYTES", "BECAUSE"]


def plan_rows(plan: Plan) -> list[list[object]]:
    """Every step in its order."""
    transfers: list[list[object]] = [
        [f"{each.topic}-{each.index}", f"leader {each.source} -> {each.target}", 0, each.reason]
        for each in plan.transfers
    ]
    return transfers + [
        [f"{each.topic}-{each.index}", _step(each), f"{each.copied_bytes:,}", each.reason] for each in plan.moves
    ]


def _step(move: Move) -> str:
    """`replica 1 -> 4`, or `first in line 2` where only the preferred leader changes."""
    if not move.adds:
        return f"first in line {move.after[0]}"
    pairs = zip(move.removes, move.adds, strict=True)
    return ", ".join(f"replica {source} -> {target}" for source, target in pairs)
