"""`odradek group`: list, describe, reset-offsets, delete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli import group_reset, queries
from odradek.cli.command import command, group
from odradek.cli.errors import CommandError
from odradek.cli.lag import PartitionLag, group_lag
from odradek.cli.options import Groups
from odradek.cli.output import plural, write_json, write_line, write_table
from odradek.cli.session import REQUEST_TIMEOUT_S, Session

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient

app = group("Look at consumer groups, move their offsets, delete them.")
command(app, "reset-offsets")(group_reset.reset_offsets)


@command(app, "list")
def list_groups(
    session: Session,
    with_lag: Annotated[bool, typer.Option("--lag/--no-lag", help="Ask for every group's lag.")] = True,
) -> None:
    """List groups with state, members and lag."""
    admin = session.admin()
    listings = queries.group_listings(admin)
    described = queries.describe_groups(admin, [listing.group_id for listing in listings])
    found = [
        {
            "group": name,
            "state": queries.group_state(description),
            "members": len(description.members),
            "lag": group_lag(admin, name).total if with_lag else None,
        }
        for name, description in described.items()
    ]
    if session.json:
        write_json({"groups": found})
    else:
        rows = [[g["group"], g["state"], g["members"], g["lag"]] for g in found]
        write_table(["GROUP", "STATE", "MEMBERS", "LAG"], rows, empty="no groups")


@command(app)
def describe(session: Session, groups: Groups) -> None:
    """Show a group's members, committed offsets and lag."""
    admin = session.admin()
    queries.require_groups(admin, groups)
    found = [_description(admin, name, value) for name, value in queries.describe_groups(admin, groups).items()]
    if session.json:
        write_json({"groups": found})
        return
    for index, description in enumerate(found):
        if index:
            write_line()
        _write_description(description)


def _description(admin: AdminClient, name: str, described: Any) -> dict[str, Any]:
    owners = {
        (p.topic, p.partition): member for member in described.members for p in member.assignment.topic_partitions
    }
    lag = group_lag(admin, name, list(owners))
    return {
        "group": name,
        "state": queries.group_state(described),
        "assignor": described.partition_assignor or None,
        "coordinator": described.coordinator.id if described.coordinator else None,
        "lag": lag.total,
        "members": [_member(member) for member in described.members],
        "partitions": [_partition(p, owners.get((p.topic, p.partition))) for p in lag.partitions],
    }


def _member(member: Any) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "client_id": member.client_id,
        "group_instance_id": member.group_instance_id,
        "host": member.host,
        "partitions": [[p.topic, p.partition] for p in member.assignment.topic_partitions],
    }


def _partition(lag: PartitionLag, owner: Any) -> dict[str, Any]:
    return {
        "topic": lag.topic,
        "partition": lag.partition,
        "committed_offset": lag.committed,
        "end_offset": lag.end_offset,
        "lag": lag.lag,
        "member_id": owner.member_id if owner else None,
    }


def _write_description(found: dict[str, Any]) -> None:
    details = [found["state"], plural(len(found["members"]), "member"), f"lag {found['lag']:,}"]
    if found["assignor"]:
        details.append(f"assignor {found['assignor']}")
    write_line(f"{found['group']}  ({', '.join(details)})")
    headers = ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "HOST"]
    hosts = {member["member_id"]: member["host"].lstrip("/") for member in found["members"]}
    rows = [
        [
            p["topic"],
            p["partition"],
            p["committed_offset"],
            p["end_offset"],
            p["lag"],
            p["member_id"],
            hosts.get(p["member_id"]),
        ]
        for p in found["partitions"]
    ]
    write_table(headers, rows, empty="no committed offsets and no assigned partitions")


@command(app)
def delete(
    session: Session,
    groups: Groups,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
) -> None:
    """Delete groups and their committed offsets."""
    if not yes and sys.stdin.isatty() and not typer.confirm(f"Delete {', '.join(groups)} and their offsets?"):
        raise CommandError("nothing deleted")
    admin = session.admin()
    queries.require_groups(admin, groups)
    # Waits for a coordinator that is only starting.
    queries.describe_groups(admin, groups)
    futures = admin.delete_consumer_groups(groups, request_timeout=REQUEST_TIMEOUT_S)
    for name in groups:
        futures[name].result()
    if session.json:
        write_json({"deleted": groups})
    else:
        write_line("\n".join(f"{name} deleted" for name in groups))
