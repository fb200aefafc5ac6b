"""`odradek status`: the cluster on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from odradek.cli import queries
from odradek.cli.command import command
from odradek.cli.lag import group_lag
from odradek.cli.output import plural, write_json, write_line, write_table
from odradek.cli.session import REQUEST_TIMEOUT_S, Session

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient

app = typer.Typer(add_completion=False)

_TOPICS_SHOWN = 12
_GROUPS_SHOWN = 12


@command(app)
def status(session: Session) -> None:
    """Show brokers, topics and groups on one screen."""
    admin = session.admin()
    report = _report(admin)
    if session.json:
        write_json(report)
    else:
        _write(report)


def _report(admin: AdminClient) -> dict[str, Any]:
    metadata = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    topics = {name: metadata.topics[name] for name in sorted(metadata.topics) if name[:2] != "__"}
    partitions = [p for topic in topics.values() for p in topic.partitions.values()]
    reachable = [(n, p.id) for n, topic in topics.items() for p in topic.partitions.values() if p.leader >= 0]
    held = queries.served_ranges(admin, reachable)
    return {
        "cluster_id": metadata.cluster_id,
        "controller": metadata.controller_id,
        "brokers": [
            {"id": broker.id, "address": f"{broker.host}:{broker.port}"}
            for _, broker in sorted(metadata.brokers.items())
        ],
        "partitions": len(partitions),
        "offline_partitions": len(partitions) - len(held),
        "under_replicated_partitions": sum(len(p.isrs) < len(p.replicas) for p in partitions),
        "topics": [_topic(name, topic, held) for name, topic in topics.items()],
        "groups": _groups(admin),
    }


def _topic(name: str, topic: Any, held: dict[queries.Partition, queries.Range]) -> dict[str, Any]:
    known = [held[name, partition] for partition in topic.partitions if (name, partition) in held]
    return {"name": name, "partitions": len(topic.partitions), "records": sum(r.end - r.start for r in known)}


def _groups(admin: AdminClient) -> list[dict[str, Any]]:
    names = [listing.group_id for listing in queries.group_listings(admin)]
    described = queries.describe_groups(admin, names)
    return [
        {
            "group": name,
            "state": queries.group_state(described[name]),
            "members": len(described[name].members),
            "lag": group_lag(admin, name).total,
        }
        for name in names
    ]


def _write(report: dict[str, Any]) -> None:
    troubles = [
        f"{report[key]:,} {text}"
        for key, text in (("offline_partitions", "offline"), ("under_replicated_partitions", "under-replicated"))
        if report[key]
    ]
    health = ", ".join(troubles) or "all partitions are served and in sync"
    write_line(f"cluster {report['cluster_id']}: {health}")
    brokers = ", ".join(f"{broker['id']} at {broker['address']}" for broker in report["brokers"])
    write_line(f"{plural(len(report['brokers']), 'broker')}: {brokers}; controller {report['controller']}")
    write_line(f"{plural(len(report['topics']), 'topic')}, {plural(report['partitions'], 'partition')}")
    write_line()
    rows = [[t["name"], t["partitions"], f"{t['records']:,}"] for t in report["topics"]]
    _write_some(["TOPIC", "PARTITIONS", "OFFSETS HELD"], rows, _TOPICS_SHOWN, "odradek topic list")
    write_line()
    groups = [[g["group"], g["state"], g["members"], f"{g['lag']:,}"] for g in report["groups"]]
    _write_some(["GROUP", "STATE", "MEMBERS", "LAG"], groups, _GROUPS_SHOWN, "odradek group list")


def _write_some(headers: list[str], rows: list[list[Any]], limit: int, more: str) -> None:
    write_table(headers, rows[:limit], empty=f"no {headers[0].lower()}s")
    if len(rows) > limit:
        write_line(f"... and {len(rows) - limit:,} more: `{more}`")
