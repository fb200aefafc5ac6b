"""Brokers come, go and are restarted while everybody works."""

import json
import subprocess
import sys

from tests.faults.cluster.brokers import RECOVERY_S, Brokers
from tests.faults.cluster.checking import goes_on, under_load
from tests.faults.cluster.selection import takes_long
from tests.faults.waiting import wait_for

DRAIN_TIMEOUT_S = 300


def operate(bootstrap: str, *words: str) -> dict[str, object]:
    """What an operator types, and its answer."""
    command = [sys.executable, "-m", "odradek", "--json", "--bootstrap", bootstrap, "cluster", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DRAIN_TIMEOUT_S)
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    assert isinstance(answer, dict)
    return answer


def test_brokers_are_restarted_one_after_the_other(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        for broker_id in brokers.ids:
            brokers[broker_id].restart()
            goes_on(load, 50)
            view.wait_until_whole()


@takes_long
def test_a_cluster_grows_from_three_to_five_and_shrinks_again_to_three(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        for newcomer in (4, 5):
            brokers.add(newcomer)
            goes_on(load)
            wait_for(
                f"broker {newcomer} to get its share",
                lambda newcomer=newcomer: any(newcomer in held for held in view.replicas().values()),  # type: ignore[misc]
                RECOVERY_S,
            )
        for leaving in (1, 4):
            answer = operate(brokers.bootstrap, "drain", str(leaving))
            assert answer == {"broker": leaving, "draining": True, "replicas": 0, "empty": True}
            goes_on(load)
            brokers.remove(leaving)
            operate(brokers.bootstrap, "remove", str(leaving))
        goes_on(load)
        assert {each for held in view.replicas().values() for each in held} == {2, 3, 5}
