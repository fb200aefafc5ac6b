"""`odradek cluster`: status, plan, restart, drain, undrain, pause, resume, remove, survey, recover."""

from __future__ import annotations

from typing import Annotated

import typer

from odradek.balancing.planner import DEFAULT_PERCENTAGE, make_plan
from odradek.cli import cluster_report, drain, recovery
from odradek.cli.command import command, group
from odradek.cli.errors import CommandError
from odradek.cli.local_processes import listening_pid
from odradek.cli.output import plural, write_json, write_line, write_table
from odradek.cli.restart import RollingRestart
from odradek.cli.session import Session
from odradek.cli.survey import PAUSED, PERCENTAGE, RESTORES, SeenBroker, Survey, any_broker, survey
from odradek.cli.wire import require, schema

app = group("Look after the brokers of a cluster.")

BrokerId = Annotated[int, typer.Argument(metavar="ID", min=0, help="The broker's id.")]
_STEPS_SHOWN = 40


@command(app)
def status(session: Session) -> None:
    """Show brokers, partitions in trouble and what moves on one screen."""
    report = cluster_report.status_of(survey(session), listening_pid)
    if session.json:
        write_json(report)
        return
    for line in cluster_report.status_lines(report):
        write_line(line)
    write_line()
    write_table(cluster_report.BROKER_HEADERS, [cluster_report.broker_row(each) for each in report["brokers"]])


@command(app)
def plan(session: Session) -> None:
    """Show what will move by itself, and why."""
    seen = survey(session, sizes_of=None)
    percentage = seen.settings.get(PERCENTAGE)
    made = make_plan(
        seen.state(),
        percentage=DEFAULT_PERCENTAGE if percentage is None else int(percentage),
        restores_leaders=seen.settings.get(RESTORES) != "false",
    )
    if session.json:
        write_json(cluster_report.plan_of(seen, made))
        return
    rows = cluster_report.plan_rows(made)
    write_table(cluster_report.PLAN_HEADERS, rows[:_STEPS_SHOWN], empty="nothing to move: the cluster is balanced")
    if len(rows) > _STEPS_SHOWN:
        write_line(f"... and {len(rows) - _STEPS_SHOWN:,} more: --json has all")
    for line in cluster_report.plan_lines(seen, made):
        write_line(line)


@command(app, "drain")
def drain_broker(
    session: Session,
    broker: BrokerId,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the broker is empty.")] = True,
) -> None:
    """Empty a broker: its leaderships move first, then its replicas. It takes no new ones."""
    _require_known(survey(session), broker)
    drain.set_draining(session, broker, True)
    result = drain.watch(session, broker) if wait else drain.result_of(survey(session), broker)
    if session.json:
        write_json(result)
    elif result["empty"]:
        write_line(f"broker {broker} is empty: stop it, then `odradek cluster remove {broker}`")
    else:
        left = plural(result["replicas"], "replica")
        write_line(f"broker {broker} is drained, {left} to move: `odradek cluster status` shows it")


@command(app)
def undrain(session: Session, broker: BrokerId) -> None:
    """Let a broker that was drained take leaderships and replicas again."""
    seen = survey(session)
    if broker not in seen.draining:
        _require_known(seen, broker)
    drain.set_draining(session, broker, False)
    if session.json:
        write_json(drain.result_of(survey(session), broker))
    else:
        write_line(f"broker {broker} takes part again")


@command(app)
def pause(session: Session) -> None:
    """Begin no more moves of replicas; those under way go on."""
    _set_paused(session, True)


@command(app)
def resume(session: Session) -> None:
    """Let replicas move again."""
    _set_paused(session, False)


def _set_paused(session: Session, is_paused: bool) -> None:
    operation, value = (drain.SET, "true") if is_paused else (drain.DELETE, None)
    drain.alter_defaults(session, PAUSED, operation, value)
    if session.json:
        write_json({"balancing_paused": is_paused})
    else:
        write_line("balancing is paused" if is_paused else "balancing goes on")


@command(app)
def remove(
    session: Session,
    broker: BrokerId,
    force: Annotated[
        bool, typer.Option("--force", help="Also one that has replicas: what only it has is lost.")
    ] = False,
) -> None:
    """Take a stopped broker out of the cluster for good."""
    seen = survey(session)
    problem = removal_problem(seen, _require_known(seen, broker), force)
    if problem is not None:
        raise CommandError(problem)
    api = schema("unregister_broker", 0)
    with any_broker(session) as connection:
        answer = connection.ask(api.UnregisterBrokerRequest(broker_id=broker))
    require(answer.error_code, answer.error_message)
    if session.json:
        write_json({"removed": broker})
    else:
        write_line(f"broker {broker} is removed")


def removal_problem(seen: Survey, broker: SeenBroker, force: bool) -> str | None:
    """Why the broker should not be removed now."""
    number, held = broker.broker_id, len(seen.held_by(broker.broker_id))
    if not broker.is_fenced:
        return f"broker {number} is running: `odradek cluster drain {number}`, and stop it"
    if held and not force:
        return f"broker {number} has {plural(held, 'replica')}: drain it, or --force when it will not come back"
    return None


@command(app)
def restart(
    session: Session,
    brokers: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", min=0, help="Whom to restart (default: all).")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="S", min=1, help="Longest wait for a broker to be back, or for a replica to catch up."),
    ] = 300.0,
    force: Annotated[bool, typer.Option("--force", help="Also when something is wrong already.")] = False,
) -> None:
    """Restart brokers one after the other, each while all partitions are in sync; the controller last."""
    say = _say_nothing if session.json else write_line
    done = RollingRestart(session, timeout, force, say).run(brokers or [])
    if session.json:
        write_json({"restarted": done})
    else:
        write_line(f"{plural(len(done), 'broker')} restarted")


recovery.register(app)


def _say_nothing(line: str) -> None:
    """The whole is told as JSON at the end."""


def _require_known(seen: Survey, broker_id: int) -> SeenBroker:
    broker = seen.broker(broker_id)
    if broker is None:
        known = ", ".join(str(each.broker_id) for each in seen.brokers)
        raise CommandError(f"no broker {broker_id}: there is {known}, see `odradek cluster status`")
    return broker
