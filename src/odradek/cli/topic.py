"""`odradek topic`: create, list, describe, alter, delete."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli import queries
from odradek.cli.checks import PARTITIONS_MAX, REPLICAS_MAX, check_number
from odradek.cli.command import command, group
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.options import Topic, Topics
from odradek.cli.output import plural, write_json, write_line, write_table
from odradek.cli.pairs import parse_pairs
from odradek.cli.session import REQUEST_TIMEOUT_S, Session

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient

app = group("Create, look at, change and delete topics.")

Configs = Annotated[
    list[str] | None, typer.Option("--config", "-c", metavar="KEY=VALUE", help="A topic setting; repeatable.")
]


@command(app)
def create(
    session: Session,
    topic: Topic,
    partitions: Annotated[int, typer.Option("--partitions", "-p", help="-1: the broker's default.")] = -1,
    replication_factor: Annotated[int, typer.Option("--replication-factor", "-r", help="-1: broker's default.")] = -1,
    config: Configs = None,
    if_not_exists: Annotated[bool, typer.Option("--if-not-exists", help="Accept a topic that is there.")] = False,
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Ask the broker, create nothing.")] = False,
) -> None:
    """Create a topic."""
    from odradek.cli.kafka import KafkaException, NewTopic

    check_number("--partitions", partitions, 1, PARTITIONS_MAX, or_default=True)
    check_number("--replication-factor", replication_factor, 1, REPLICAS_MAX, or_default=True)
    wanted = NewTopic(topic, partitions, replication_factor, config=parse_pairs(config, "--config"))
    admin, created = session.admin(), True
    try:
        futures = admin.create_topics([wanted], request_timeout=REQUEST_TIMEOUT_S, validate_only=validate_only)
        futures[topic].result()
    except KafkaException as error:
        if not (if_not_exists and error.args[0].name() == "TOPIC_ALREADY_EXISTS"):
            raise
        created = False
    if session.json:
        write_json({"topic": topic, "created": created and not validate_only})
    else:
        write_line(f"{topic} {_verb(created, validate_only)}")


def _verb(created: bool, validate_only: bool) -> str:
    if not created:
        return "exists already"
    return "can be created" if validate_only else "created"


@command(app, "list")
def list_topics(
    session: Session,
    internal: Annotated[bool, typer.Option("--internal", help="Include internal topics.")] = False,
) -> None:
    """List topics with what they hold."""
    admin = session.admin()
    found = {name: topic for name, topic in queries.topics(admin).items() if internal or name[:2] != "__"}
    held = queries.served_ranges(admin, queries.partitions_of(found))
    listing = [
        {
            "name": name,
            "partitions": len(topic.partitions),
            "replication_factor": max((len(p.replicas) for p in topic.partitions.values()), default=0),
            "records": sum(held[name, p].end - held[name, p].start for p in topic.partitions if (name, p) in held),
        }
        for name, topic in found.items()
    ]
    if session.json:
        write_json({"topics": listing})
    else:
        headers = ["TOPIC", "PARTITIONS", "REPLICAS", "OFFSETS HELD"]
        rows = [[t["name"], t["partitions"], t["replication_factor"], f"{t['records']:,}"] for t in listing]
        write_table(headers, rows, empty="no topics: create one with `odradek topic create NAME`")


@command(app)
def describe(
    session: Session,
    topics: Topics,
    all_configs: Annotated[bool, typer.Option("--all-configs", help="Include settings left at defaults.")] = False,
) -> None:
    """Show a topic's partitions, replicas, offsets and settings."""
    admin = session.admin()
    found = queries.require_topics(admin, topics)
    held = queries.served_ranges(admin, queries.partitions_of(found))
    descriptions = [_description(admin, name, topic, held, all_configs) for name, topic in found.items()]
    if session.json:
        write_json({"topics": descriptions})
        return
    for index, description in enumerate(descriptions):
        if index:
            write_line()
        _write_description(description)


def _description(
    admin: AdminClient, name: str, topic: Any, held: dict[queries.Partition, queries.Range], all_configs: bool
) -> dict[str, Any]:
    entries = queries.configs(admin, "TOPIC", name)
    topic_id = admin.describe_topics(_topic_collection(name), request_timeout=REQUEST_TIMEOUT_S)[name].result().topic_id
    return {
        "name": name,
        "topic_id": str(topic_id),
        "partitions": [
            {
                "partition": number,
                "leader": partition.leader,
                "replicas": partition.replicas,
                "isr": partition.isrs,
                "start_offset": held[name, number].start if (name, number) in held else None,
                "end_offset": held[name, number].end if (name, number) in held else None,
            }
            for number, partition in sorted(topic.partitions.items())
        ],
        "configs": {entry.name: entry.value for entry in entries if all_configs or _is_own(entry)},
    }


def _topic_collection(name: str) -> Any:
    from odradek.cli.kafka import TopicCollection

    return TopicCollection([name])


def _is_own(entry: Any) -> bool:
    from odradek.cli.kafka import ConfigSource

    return bool(ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG)


def _write_description(description: dict[str, Any]) -> None:
    write_line(
        f"{description['name']}  ({plural(len(description['partitions']), 'partition')}, id {description['topic_id']})"
    )
    for key, value in description["configs"].items():
        write_line(f"  {key}={value}")
    headers = ["PARTITION", "LEADER", "REPLICAS", "IN SYNC", "START", "END"]
    rows = [
        [
            p["partition"],
            p["leader"],
            _ids(p["replicas"]),
            _ids(p["isr"]),
            _offset(p["start_offset"]),
            _offset(p["end_offset"]),
        ]
        for p in description["partitions"]
    ]
    write_table(headers, rows)


def _offset(offset: int | None) -> str:
    """A partition that cannot answer has none."""
    return "-" if offset is None else str(offset)


def _ids(brokers: list[int]) -> str:
    return ",".join(map(str, brokers))


@command(app)
def alter(
    session: Session,
    topic: Topic,
    partitions: Annotated[int | None, typer.Option("--partitions", "-p", help="Grow to this many.")] = None,
    config: Configs = None,
    delete_config: Annotated[
        list[str] | None, typer.Option("--delete-config", "-d", metavar="KEY", help="Back to the default.")
    ] = None,
) -> None:
    """Add partitions or change settings."""
    from odradek.cli.kafka import NewPartitions

    changes: dict[str, str | None] = dict(parse_pairs(config, "--config"))
    changes.update(dict.fromkeys(delete_config or []))
    if partitions is None and not changes:
        raise UsageError("nothing to alter: give --partitions, --config or --delete-config")
    check_number("--partitions", partitions, 1, PARTITIONS_MAX)
    admin = session.admin()
    queries.require_topics(admin, [topic])
    if changes:
        queries.alter_configs(admin, "TOPIC", topic, changes)
    if partitions is not None:
        wanted = [NewPartitions(topic, partitions)]
        admin.create_partitions(wanted, request_timeout=REQUEST_TIMEOUT_S)[topic].result()
    if session.json:
        write_json({"topic": topic, "partitions": partitions, "configs": changes})
    else:
        write_line(f"{topic} altered")


@command(app)
def delete(
    session: Session,
    topics: Topics,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")] = False,
    if_exists: Annotated[bool, typer.Option("--if-exists", help="Accept that a topic is not there.")] = False,
) -> None:
    """Delete topics and everything in them."""
    admin = session.admin()
    known = queries.topics(admin) if if_exists else queries.require_topics(admin, topics)
    doomed = [name for name in topics if name in known]
    if doomed and not yes and sys.stdin.isatty() and not typer.confirm(f"Delete {', '.join(doomed)} for ever?"):
        raise CommandError("nothing deleted")
    futures = admin.delete_topics(doomed, request_timeout=REQUEST_TIMEOUT_S) if doomed else {}
    for name in doomed:
        futures[name].result()
    if session.json:
        write_json({"deleted": doomed})
    else:
        write_line("\n".join(f"{name} deleted" for name in doomed) or "nothing to delete")
