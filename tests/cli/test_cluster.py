"""`odradek cluster` against brokers: one alone, and three that share their metadata."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from odradek.cluster.results import NewTopic
from odradek.metastore.memory import MemoryServer, MemoryStore
from odradek.testing import BrokerProcess
from tests.broker.running import Running, running
from tests.cli.conftest import Cli
from tests.cluster.clusters import until
from tests.cluster.test_moving import follow

DEADLINE_S = 60


def test_status_shows_a_broker_with_its_process(cli: Cli, odradek_broker: BrokerProcess, topic: str) -> None:
    report = cli.ok("cluster", "status", "--json").json
    (broker,) = report["brokers"]
    host, port = cli.bootstrap.rsplit(":", 1)
    assert (broker["id"], broker["host"], broker["port"]) == (report["controller"], host, int(port))
    assert (broker["state"], broker["rack"], broker["is_fenced"]) == ("up", None, False)
    assert broker["pid"] == odradek_broker.pid
    assert 0 < broker["disk_free_bytes"] <= broker["disk_total_bytes"]
    assert broker["leaders"] == broker["replicas"] == report["partitions"] > 0
    assert report["offline_partitions"] == report["under_replicated_partitions"] == 0
    assert report["reassignments"] == []
    shown = cli.ok("cluster", "status").out
    assert "all partitions are served and in sync" in shown
    assert cli.bootstrap in shown


def test_a_broker_alone_has_nothing_to_move(cli: Cli, topic: str) -> None:
    assert cli.ok("cluster", "plan").out.strip() == "nothing to move: the cluster is balanced"
    assert cli.ok("cluster", "plan", "--json").json == {
        "balancing_paused": False, "waits_for": [], "transfers": [], "moves": [], "blocked": [],
    }  # fmt: skip


def test_a_broker_alone_cannot_be_emptied(cli: Cli, topic: str) -> None:
    told = cli.fails("cluster", "drain", "1")
    assert "cannot leave broker 1" in told
    assert "0 brokers for them" in told
    (broker,) = cli.ok("cluster", "status", "--json").json["brokers"]
    assert broker["state"] == "draining"
    assert f"{topic}-0 cannot leave broker 1" in cli.ok("cluster", "plan").out
    assert cli.ok("cluster", "undrain", "1").out == "broker 1 takes part again\n"
    (broker,) = cli.ok("cluster", "status", "--json").json["brokers"]
    assert broker["state"] == "up"


def test_balancing_is_paused_and_goes_on(cli: Cli) -> None:
    assert cli.ok("cluster", "pause").out == "balancing is paused\n"
    assert cli.ok("cluster", "status", "--json").json["balancing_paused"] is True
    assert "balancing is paused" in cli.ok("cluster", "status").out
    assert "balancing is paused" in cli.ok("cluster", "plan").out
    assert cli.ok("cluster", "resume", "--json").json == {"balancing_paused": False}
    assert cli.ok("cluster", "status", "--json").json["balancing_paused"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["drain", "9"], 1, "no broker 9: there is 1, see `odradek cluster status`"),
        (["undrain", "9"], 1, "no broker 9: there is 1, see `odradek cluster status`"),
        (["remove", "9"], 1, "no broker 9: there is 1, see `odradek cluster status`"),
        (["remove", "1"], 1, "broker 1 is running: `odradek cluster drain 1`, and stop it"),
        (["drain", "one"], 2, "whole number"),
    ],
)
def test_refusals_say_what_to_do(cli: Cli, arguments: list[str], code: int, told: str) -> None:
    assert told in cli.fails("cluster", *arguments, code=code)


def test_without_a_broker_each_command_says_how_to_start_one() -> None:
    nobody = Cli("127.0.0.1:1")
    for arguments in (["status"], ["plan"], ["drain", "1"], ["pause"], ["remove", "1"]):
        assert "start one with `odradek start`" in nobody.fails("cluster", *arguments)


# Three brokers


@asynccontextmanager
async def three(path: Path) -> AsyncIterator[list[Running]]:
    """Replicas that are added have everything at once: how their data comes there is not the matter here."""
    server = MemoryServer()
    async with AsyncExitStack() as stack:
        members = [
            await stack.enter_async_context(
                running(
                    path / str(broker_id),
                    store=MemoryStore(server),
                    node_id=broker_id,
                    broker_rack="ab"[broker_id % 2],
                    broker_session_timeout_ms=1000,
                )
            )
            for broker_id in (1, 2, 3)
        ]
        followers = asyncio.create_task(follow(members[0].broker.cluster))
        try:
            yield members
        finally:
            followers.cancel()


async def odradek(member: Running, *arguments: str) -> Any:
    """What a command that must succeed writes."""
    environment = {**os.environ, "ODRADEK_BOOTSTRAP": f"127.0.0.1:{member.broker.listeners[0].port}"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "odradek", "cluster", *arguments, "--json",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(DEADLINE_S):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


def test_a_broker_is_emptied_stopped_and_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with three(tmp_path) as members:
            cluster = members[0].broker.cluster
            await odradek(members[0], "pause")
            assignments = list(enumerate([(3, 1), (2, 3), (1, 2), (3, 2)]))
            await cluster.create_topics([NewTopic("t", assignments=assignments)])
            drained = await odradek(members[0], "drain", "3", "--no-wait")
            assert (drained["draining"], drained["empty"]) == (True, False)
            await until(cluster, lambda image: all(each.leader != 3 for each in image.topics["t"].partitions))
            plan = await odradek(members[1], "plan")
            reasons = {(move["partition"], move["reason"]) for move in plan["moves"] if 3 in move["before"]}
            assert reasons == {(index, "broker 3 is drained") for index in (0, 1, 3)}
            await odradek(members[0], "resume")
            assert await odradek(members[1], "drain", "3") == {
                "broker": 3, "draining": True, "replicas": 0, "empty": True,
            }  # fmt: skip
            states = {each["id"]: each["state"] for each in (await odradek(members[1], "status"))["brokers"]}
            assert states == {1: "up", 2: "up", 3: "drained"}
            await members[2].broker.stop()
            await until(cluster, lambda image: image.brokers[3].fenced)
            assert await odradek(members[0], "remove", "3") == {"removed": 3}
            report = await odradek(members[0], "status")
            assert [(each["id"], each["rack"]) for each in report["brokers"]] == [(1, "b"), (2, "a")]

    asyncio.run(scenario())


def test_a_broker_that_died_is_shown_and_removed_only_by_force_while_it_has_replicas(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with three(tmp_path) as members:
            cluster = members[0].broker.cluster
            await cluster.create_topics([NewTopic("t", assignments=[(0, (1, 3))])])
            await members[2].broker.stop()
            await until(cluster, lambda image: image.brokers[3].fenced)
            report = await odradek(members[0], "status")
            assert [each["state"] for each in report["brokers"]] == ["up", "up", "down"]
            assert report["under_replicated_partitions"] == 1
            assert (await odradek(members[0], "plan"))["waits_for"] == [3]
            with pytest.raises(AssertionError, match="broker 3 has 1 replica: drain it, or --force"):
                await odradek(members[0], "remove", "3")
            assert await odradek(members[0], "remove", "3", "--force") == {"removed": 3}
            await until(cluster, lambda image: image.topics["t"].partitions[0].replicas == (1, 2))

    asyncio.run(scenario())
