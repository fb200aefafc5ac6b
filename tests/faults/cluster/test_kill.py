"""`kill -9` of brokers of a cluster, by the role they play at that moment."""

from collections.abc import Callable

from tests.faults.cluster.brokers import Brokers, Workers
from tests.faults.cluster.checking import goes_on, under_load, wait_for_another_leader
from tests.faults.cluster.selection import takes_long

FIRST = ("load", 0)


def test_a_killed_leader_and_a_killed_controller_cost_nothing(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        leader = view.leader(FIRST)
        brokers[leader].kill()
        wait_for_another_leader(view, FIRST, leader)
        goes_on(load)
        brokers[leader].start()
        view.wait_until_whole()
        controller = view.controller()
        brokers[controller].kill()
        goes_on(load)
        brokers[controller].start()


@takes_long
def test_a_killed_follower_costs_nothing(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        for partition in (("load", 0), ("load", 1)):
            leader = view.leader(partition)
            follower = next(each for each in brokers.ids if each != leader)
            brokers[follower].kill()
            goes_on(load)
            brokers[follower].start()
            view.wait_until_whole()


@takes_long
def test_brokers_that_are_killed_one_after_the_other_as_soon_as_all_are_in_sync_lose_nothing(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        for broker_id in 2 * brokers.ids:
            brokers[broker_id].kill()
            brokers[broker_id].start()
            goes_on(load)
            view.wait_until_whole()


@takes_long
def test_all_brokers_killed_at_once_come_back_with_everything(brokers: Brokers) -> None:
    with under_load(brokers) as load:
        for broker_id in brokers.ids:
            brokers[broker_id].kill()
        for broker_id in brokers.ids:
            brokers[broker_id].start()
        goes_on(load)


@takes_long
def test_workers_of_one_supervisor_are_killed_by_role_and_cost_nothing() -> None:
    with Workers() as workers:
        view = workers.view()
        with under_load(workers) as load:
            roles: list[Callable[[], int]] = [lambda: view.leader(FIRST), view.controller]
            for role in roles:
                killed = role()
                pid = workers.pids[killed]
                workers.kill(killed)
                goes_on(load)
                workers.wait_until_restarted(killed, pid)
                view.wait_until_whole()
