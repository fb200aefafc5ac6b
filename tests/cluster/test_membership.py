"""Since when a broker has proven to have lost nothing."""

import pytest

from odradek.cluster.elections import keeps
from odradek.cluster.membership import proven_since
from odradek.cluster.records import BrokerRecord
from odradek.log.life import NO_PROOF, Proof
from tests.cluster.clusters import broker


def registered(epoch: int, *, since: int = -1, incarnation: str = "kafka-1") -> BrokerRecord:
    return BrokerRecord(epoch, incarnation, (), predecessor_epoch=since)


@pytest.mark.parametrize("proof", [Proof(7), Proof(-1, "kafka-1"), Proof(7, "kafka-1"), Proof(3, "kafka-1")])
def test_a_stop_in_good_order_or_the_name_of_the_registered_process_proves_it(proof: Proof) -> None:
    assert proven_since(registered(7), proof) == 7


@pytest.mark.parametrize("proof", [NO_PROOF, Proof(6), Proof(8), Proof(-1, "kafka-0"), Proof(6, "kafka-0")])
def test_an_older_copy_of_the_disk_proves_nothing(proof: Proof) -> None:
    assert proven_since(registered(7), proof) == -1


def test_a_process_without_a_name_proves_nothing_by_it() -> None:
    assert proven_since(registered(7, incarnation=""), Proof(-1, "")) == -1


def test_a_broker_that_dies_again_and_again_keeps_what_it_had_all_along() -> None:
    second = proven_since(registered(7), Proof(-1, "kafka-1"))
    third = proven_since(registered(9, since=second, incarnation="kafka-2"), Proof(-1, "kafka-2"))
    assert third == 7
    assert [keeps(broker(1, 12, predecessor=third), epoch) for epoch in (6, 7, 9, 12, 13)] == [
        False, True, True, True, False,
    ]  # fmt: skip


def test_one_life_without_proof_ends_what_was_proven_before() -> None:
    assert proven_since(registered(9, since=-1), Proof(9)) == 9
    assert [keeps(broker(1, 12, predecessor=9), epoch) for epoch in (7, 9)] == [False, True]
