"""`odradek bench` against a real broker."""

import pytest

from odradek.testing import BrokerProcess, ClusterProcess
from tests.cli.conftest import Cli

QUICK = ("bench", "--rows", "small", "--seconds", "0.1")


def test_it_tells_what_it_measured(cli: Cli) -> None:
    header, rate = cli.ok(*QUICK).out.splitlines()
    assert header.split() == ["ROW", "WHAT", "VALUE", "UNIT"]
    assert rate.startswith("small ")
    assert rate.endswith("requests/s")


def test_with_the_process_it_adds_what_that_uses(cli: Cli, odradek_broker: BrokerProcess) -> None:
    report = cli.ok(*QUICK, "--pid", str(odradek_broker.pid), "--json").json
    [row] = report["rows"]
    assert (row["row"], [metric["metric"] for metric in row["metrics"]]) == ("small", ["rate", "cpu"])
    assert report["resident_mb"] > 1
    assert "resident memory" in cli.ok(*QUICK, "--pid", str(odradek_broker.pid)).out


def test_it_measures_the_copies_of_a_cluster(odradek_cluster: ClusterProcess) -> None:
    cli = Cli(odradek_cluster.bootstrap)
    pids = [part for pid in odradek_cluster.pids.values() for part in ("--pid", str(pid))]
    report = cli.ok(*QUICK, "--replication-factor", "3", "--acks", "all", *pids, "--json").json
    [row] = report["rows"]
    assert all(metric["value"] > 0 for metric in row["metrics"] if metric["metric"] != "cpu")


def test_more_copies_than_brokers_are_refused(cli: Cli) -> None:
    assert "error code 38" in cli.fails(*QUICK, "--replication-factor", "3")


def test_rows_are_listed(cli: Cli) -> None:
    listed = cli.ok("bench", "--list", "--json").json["rows"]
    assert [row["row"] for row in listed][:3] == ["bulk", "batches", "small"]
    assert "catch-up" in cli.ok("bench", "--list").out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--rows", "no-such"], "no row 'no-such': there are bulk, "), (["--pid", "999999999"], "no such process")],
)
def test_mistakes_are_told_in_one_line(cli: Cli, arguments: list[str], told: str) -> None:
    assert told in cli.fails("bench", *arguments, code=2)
