"""Brokers and members of etcd on machines of their own, whose cables are cut: all, some, and one way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from odradek.testing import BrokerProcess
from tests.faults.cluster.brokers import RECOVERY_S, SETTINGS, START_TIMEOUT_S, Brokers, View
from tests.faults.cluster.checking import goes_on, under_load, wait_for_another_leader
from tests.faults.cluster.network import Machine, Network, network
from tests.faults.cluster.selection import takes_long
from tests.faults.machine import WrappedBroker
from tests.faults.waiting import wait_for
from tests.support.etcd_servers import EtcdCluster, require_etcd, running

PORT = 9092
SIZE = 3
FIRST = ("load", 0)


@dataclass
class Site:
    """Broker N is on `machines[N]`, the members of etcd are on `stores`."""

    net: Network
    machines: dict[int, Machine]
    stores: list[Machine]
    etcd: EtcdCluster
    brokers: Brokers

    def others(self, broker_id: int) -> list[Machine]:
        return [machine for each, machine in self.machines.items() if each != broker_id]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    require_etcd()
    with network(2 * SIZE) as (net, made):
        machines, stores = dict(enumerate(made[:SIZE], 1)), made[SIZE:]
        etcd = EtcdCluster(tmp_path / "etcd", SIZE)
        for member, machine in zip(etcd.members, stores, strict=True):
            member.host, member.wrapper = machine.address, machine.inside
        etcd.introduce()
        arguments = ["--metadata", "etcd://" + ",".join(etcd.access.members)]

        def make(broker_id: int) -> BrokerProcess:
            machine = machines[broker_id]
            return WrappedBroker(
                machine.inside, None, SETTINGS, listen=f"{machine.address}:{PORT}",
                arguments=["--node-id", str(broker_id), *arguments], timeout_s=START_TIMEOUT_S,
            )  # fmt: skip

        with running(etcd), Brokers(make) as brokers:
            yield Site(net, machines, stores, etcd, brokers)


def is_replaced(view: View, broker_id: int) -> None:
    wait_for_another_leader(view, FIRST, broker_id)


@takes_long
def test_a_leader_that_is_cut_off_from_everything_is_replaced(site: Site) -> None:
    view = site.brokers.view()
    with under_load(site.brokers) as load:
        leader = view.leader(FIRST)
        site.net.unplug(site.machines[leader])
        is_replaced(view, leader)
        goes_on(load)
        site.net.heal()
        view.wait_until_whole()


Loss = Callable[[Site, int], None]


def both_ways(site: Site, broker_id: int) -> None:
    for store in site.stores:
        site.net.cut(site.machines[broker_id], store)


def what_it_says(site: Site, broker_id: int) -> None:
    for store in site.stores:
        site.net.lose(site.machines[broker_id], store.address)


def what_it_is_told(site: Site, broker_id: int) -> None:
    for store in site.stores:
        site.net.lose(store, site.machines[broker_id].address)


@takes_long
@pytest.mark.parametrize("lost", [both_ways, what_it_says, what_it_is_told])
def test_a_leader_that_is_cut_off_from_etcd_only_is_replaced(lost: Loss, site: Site) -> None:
    view = site.brokers.view()
    with under_load(site.brokers) as load:
        leader = view.leader(FIRST)
        lost(site, leader)
        is_replaced(view, leader)
        goes_on(load)
        site.net.heal()
        view.wait_until_whole()


def to_and_from_the_others(site: Site, broker_id: int) -> None:
    for other in site.others(broker_id):
        site.net.cut(site.machines[broker_id], other)


def to_the_others(site: Site, broker_id: int) -> None:
    for other in site.others(broker_id):
        site.net.lose(site.machines[broker_id], other.address)


def from_the_others(site: Site, broker_id: int) -> None:
    for other in site.others(broker_id):
        site.net.lose(other, site.machines[broker_id].address)


@takes_long
@pytest.mark.parametrize("lost", [to_and_from_the_others, to_the_others, from_the_others])
def test_a_leader_that_is_cut_off_from_the_other_brokers_lets_others_lead(lost: Loss, site: Site) -> None:
    """It reaches the metadata store, and clients reach it: nothing but itself says that it is of no use."""
    view = site.brokers.view()
    with under_load(site.brokers) as load:
        leader = view.leader(FIRST)
        lost(site, leader)
        is_replaced(view, leader)
        goes_on(load)
        site.net.heal()
        goes_on(load)
        view.wait_until_whole()


@takes_long
def test_two_brokers_that_cannot_see_each_other_lose_nothing(site: Site) -> None:
    view = site.brokers.view()
    with under_load(site.brokers) as load:
        site.net.cut(site.machines[1], site.machines[2])
        wait_for("replicas to be out of sync", lambda: not view.is_whole(), RECOVERY_S)
        goes_on(load)
        site.net.heal()
        view.wait_until_whole()


@takes_long
def test_the_leader_of_etcd_is_cut_off_from_its_members(site: Site) -> None:
    view = site.brokers.view()
    with under_load(site.brokers) as load:
        leader = site.etcd.leader()
        own = next(store for store in site.stores if store.address == leader.host)
        for other in site.stores:
            if other is not own:
                site.net.cut(own, other)
        wait_for("etcd to know that it lost its leader", lambda: not leader.is_healthy(), RECOVERY_S)
        killed = view.leader(FIRST)
        site.brokers[killed].kill()
        is_replaced(view, killed)
        goes_on(load)
        site.brokers[killed].start()
        site.net.heal()
        view.wait_until_whole()
