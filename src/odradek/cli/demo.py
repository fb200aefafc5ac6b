"""`odradek demo`: the flights of 2013 through a broker, and the proof that all of them arrived in order."""

from __future__ import annotations

import dataclasses
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from odradek.cli.errors import CommandError, UsageError
from odradek.cli.options import AsJson, Bootstrap
from odradek.cli.output import write_json, write_line
from odradek.cli.session import Defaults, Session

if TYPE_CHECKING:
    from odradek.demo.flights import Flights
    from odradek.demo.proof import Findings

app = typer.Typer(add_completion=False)


@app.command("demo")
def demo(
    ctx: typer.Context,
    records: Annotated[
        int | None, typer.Option("--records", "-n", metavar="N", min=100, help="Only the first N flights.")
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Three brokers; one is killed, one added, one drained and removed.")
    ] = False,
    kappa: Annotated[
        bool, typer.Option("--kappa", help="A week of flights into views: live, as a replay and as a batch, compared.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="With --kappa: the whole year, 100,000 times as fast.")] = False,
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Send 336,776 flights through six partitions to two groups and prove that each saw all, in order.

    Starts a broker of its own on a free port with temporary data, unless --bootstrap names one. With --cluster it
    starts three, and the flights flow on while brokers die, come and go. With --kappa a week of them takes five
    minutes, 2,000 times as fast as it was.
    """
    session = Session.of(ctx, bootstrap, as_json)
    if full and not kappa:
        raise UsageError("--full goes with --kappa")
    flights = _flights(records)
    given = bootstrap or (ctx.find_object(Defaults) or Defaults(None, False)).bootstrap
    if cluster:
        if given:
            raise UsageError("--cluster kills brokers: it starts its own and takes no --bootstrap")
        _play_cluster(flights, session.json)
        return
    if kappa:
        _play_kappa(session, full)
        return
    with ExitStack() as stack:
        # Only an explicit option: an address in the environment is for everyday work, not for a demo's load.
        address = session.bootstrap if given else _own_broker(stack, quiet=session.json)
        if given:
            session.require_broker()
        findings, count = _play(address, flights, is_shared=bool(given), as_json=session.json)
    _tell(findings, count, session.json)


def _play_kappa(session: Session, full: bool) -> None:
    """Topics have names of their own there, so that it is always on a broker of its own."""
    from odradek.cli.demo_kappa import WEEK_DAYS, WEEK_SPEED, YEAR_SPEED, play
    from odradek.demo.flights import find_archive

    days, speed = (None, YEAR_SPEED) if full else (WEEK_DAYS, WEEK_SPEED)
    with ExitStack() as stack:
        address = _own_broker(stack, quiet=session.json, **{"log.retention.ms": -1})
        play(address, find_archive(), days=days, speed=speed, as_json=session.json)


def _flights(records: int | None) -> Flights:
    from odradek.demo.flights import FLIGHTS, Flights, FlightsMissingError, find_archive

    try:
        return Flights(find_archive(), min(records or FLIGHTS, FLIGHTS))
    except FlightsMissingError as error:
        raise CommandError(str(error)) from None


def _own_broker(stack: ExitStack, *, quiet: bool, **settings: int) -> str:
    from odradek.testing import BrokerFailedError, BrokerProcess

    try:
        broker = stack.enter_context(BrokerProcess(settings={"group.initial.rebalance.delay.ms": 500, **settings}))
    except BrokerFailedError as error:
        raise CommandError(f"cannot start a broker for the demo: {error}") from None
    if not quiet:
        write_line(f"a broker of its own is on {broker.bootstrap}, data in {broker.data_dir} until the end")
    return broker.bootstrap


def _play_cluster(flights: Flights, as_json: bool) -> None:
    from odradek.demo.cluster_display import cluster_display_for
    from odradek.demo.cluster_stage import ClusterStage
    from odradek.demo.patience import DemoFailedError
    from odradek.demo.troupe import Troupe
    from odradek.testing import BrokerFailedError

    rows = {flight.identity: flight.row for flight in flights}
    try:
        with Troupe() as troupe:
            if not as_json:
                write_line(f"three brokers of its own are on {troupe.bootstrap}, data in {troupe.directory}")
            stage = ClusterStage(troupe, flights, rows)
            with cluster_display_for(as_json) as display:
                findings = stage.play(display.show)
    except BrokerFailedError as error:
        raise CommandError(f"cannot start the brokers for the demo: {error}") from None
    except DemoFailedError as error:
        raise CommandError(f"the demo broke off: {error}") from None
    _tell(findings, len(rows), as_json, story=[dataclasses.asdict(event) for event in stage.story])


def _play(address: str, flights: Flights, *, is_shared: bool, as_json: bool) -> tuple[list[Findings], int]:
    from odradek.demo.display import display_for
    from odradek.demo.patience import DemoFailedError
    from odradek.demo.stage import Stage

    rows = {flight.identity: flight.row for flight in flights}
    suffix = uuid.uuid4().hex[:8]
    topic, prefix = (f"odradek-demo-flights-{suffix}", f"odradek-demo-{suffix}-") if is_shared else ("flights", "")
    stage = Stage(address, topic, flights, rows, prefix)
    try:
        with display_for(as_json) as display:
            findings = stage.play(display.show)
    except DemoFailedError as error:
        raise CommandError(f"the demo broke off: {error}") from None
    if is_shared:
        stage.clean_up()
    return findings, len(rows)


def _tell(findings: list[Findings], records: int, as_json: bool, **more: Any) -> None:
    from odradek.demo.display import verdict

    is_proven = all(each.is_proven for each in findings)
    if as_json:
        groups = [dataclasses.asdict(each) for each in findings]
        write_json({"records": records, "proven": is_proven, "groups": groups, **more})
    else:
        for each in findings:
            write_line(verdict(each, records))
    if not is_proven:
        raise CommandError("the proof failed")
