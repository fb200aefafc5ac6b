"""`odradek config`: settings of topics, brokers and groups that can change while a broker runs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli import queries
from odradek.cli.checks import check_named
from odradek.cli.command import command, group
from odradek.cli.completion import complete_group, complete_topic
from odradek.cli.errors import UsageError
from odradek.cli.output import write_json, write_line, write_table
from odradek.cli.pairs import parse_pairs
from odradek.cli.session import Session

if TYPE_CHECKING:
    from odradek.cli.kafka import AdminClient

app = group("Show and change settings of topics, brokers and groups.")


class Kind(StrEnum):
    """What a setting belongs to."""

    TOPIC = "topic"
    BROKER = "broker"
    GROUP = "group"


def _complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    kind = str(ctx.params.get("kind"))
    if kind == "broker":
        return []
    return complete_topic(ctx, incomplete) if kind == "topic" else complete_group(ctx, incomplete)


KindArgument = Annotated[Kind, typer.Argument(metavar="topic|broker|group", case_sensitive=False)]
Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Topic, group or broker id.",
        autocompletion=_complete_name,
    ),
]


@command(app)
def describe(
    session: Session,
    kind: KindArgument,
    name: Name,
    all_entries: Annotated[bool, typer.Option("--all", "-a", help="Include settings left at defaults.")] = False,
) -> None:
    """Show settings and where each value comes from."""
    entries = [_entry(entry) for entry in queries.configs(_admin_for(session, kind, name), kind.name, name)]
    shown = [entry for entry in entries if all_entries or entry["source"] != "DEFAULT_CONFIG"]
    if session.json:
        write_json({"kind": kind.value, "name": name, "configs": shown})
        return
    rows = [[e["name"], e["value"], e["source"].lower(), "yes" if e["read_only"] else "no"] for e in shown]
    write_table(
        ["KEY", "VALUE", "SOURCE", "READ ONLY"], rows, empty="every setting is at its default (--all shows them)"
    )


def _entry(entry: Any) -> dict[str, Any]:
    from odradek.cli.kafka import ConfigSource

    return {
        "name": entry.name,
        "value": entry.value,
        "source": ConfigSource(entry.source).name,
        "read_only": bool(entry.is_read_only),
        "sensitive": bool(entry.is_sensitive),
    }


@command(app, "set")
def set_keys(
    session: Session,
    kind: KindArgument,
    name: Name,
    settings: Annotated[list[str], typer.Argument(metavar="KEY=VALUE...")],
) -> None:
    """Change settings; the others stay as they are."""
    _alter(session, kind, name, dict(parse_pairs(settings, "config set")))


@command(app)
def delete(
    session: Session, kind: KindArgument, name: Name, keys: Annotated[list[str], typer.Argument(metavar="KEY...")]
) -> None:
    """Put settings back to their defaults."""
    _alter(session, kind, name, dict.fromkeys(keys))


def _alter(session: Session, kind: Kind, name: str, changes: dict[str, str | None]) -> None:
    queries.alter_configs(_admin_for(session, kind, name), kind.name, name, changes)
    if session.json:
        write_json({"kind": kind.value, "name": name, "configs": changes})
    else:
        write_line(f"{kind.value} {name}: {', '.join(changes)} {'deleted' if None in changes.values() else 'set'}")


def _admin_for(session: Session, kind: Kind, name: str) -> AdminClient:
    """A client, once it is known that there is such a topic or broker. A group may have settings before it exists."""
    check_named("NAME", name)
    if kind is Kind.BROKER and not (name.isascii() and name.isdigit()):
        raise UsageError(f"broker {name!r}: a broker's name is its id, see `odradek status`")
    admin = session.admin()
    if kind is Kind.TOPIC:
        queries.require_topics(admin, [name])
    elif kind is Kind.BROKER:
        queries.require_broker(admin, name)
    return admin
