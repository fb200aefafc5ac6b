"""Members of etcd that die or are all away: what needs no decision goes on, and afterwards nobody is found missing."""

import time
from base64 import b64encode

import pytest

from tests.faults.cluster.brokers import Brokers
from tests.faults.cluster.checking import goes_on, under_load
from tests.faults.cluster.selection import takes_long
from tests.support.etcd_servers import EtcdCluster

FEW_S, MANY_S = 4.0, 40.0
"""Less than a lease, and much more."""


def registrations(etcd: EtcdCluster) -> list[str]:
    """What etcd holds of each broker; fencing it, or its registering again, changes that."""
    start, end = (b64encode(f"odradek/default/broker{character}".encode()).decode() for character in "/0")
    found = etcd.members[0].post("kv/range", {"key": start, "range_end": end})["kvs"]
    assert len(found) == len(etcd.members)
    return [each["value"] for each in found]


@pytest.mark.parametrize("seconds", [FEW_S, pytest.param(MANY_S, marks=takes_long)])
def test_producers_go_on_while_all_of_etcd_is_away_and_nobody_is_fenced_when_it_is_back(
    seconds: float, brokers: Brokers, etcd: EtcdCluster
) -> None:
    """Groups wait: a coordinator does not answer for what another may have taken over."""
    view = brokers.view()
    with under_load(brokers) as load:
        leaders, controller, registered = view.leaders(), view.controller(), registrations(etcd)
        for member in etcd.members:
            member.kill()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            goes_on(load, 20, with_commit=False)
        assert view.is_whole()
        etcd.start()
        goes_on(load)
        view.wait_until_whole()
        assert view.leaders() == leaders
        assert view.controller() == controller
        assert registrations(etcd) == registered


@takes_long
def test_every_member_may_die_and_come_back_while_the_others_decide(brokers: Brokers, etcd: EtcdCluster) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        for member, broker_id in zip(list(etcd.members), brokers.ids, strict=True):
            member.kill()
            brokers[broker_id].kill()
            goes_on(load)
            brokers[broker_id].start()
            view.wait_until_whole()
            member.launch()
            member.wait_until_healthy()


@takes_long
def test_the_leader_of_etcd_may_die_together_with_the_controller(brokers: Brokers, etcd: EtcdCluster) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        leader, controller = etcd.leader(), view.controller()
        leader.kill()
        brokers[controller].kill()
        goes_on(load)
        leader.launch()
        brokers[controller].start()


@takes_long
def test_a_broker_that_dies_while_etcd_is_away_is_replaced_when_etcd_is_back(
    brokers: Brokers, etcd: EtcdCluster
) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        leader = view.leader(("load", 0))
        for member in etcd.members:
            member.kill()
        brokers[leader].kill()
        etcd.start()
        goes_on(load)
        brokers[leader].start()
