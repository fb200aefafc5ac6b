"""One broker's disk is full, or is not the one it was."""

import shutil
from collections.abc import Iterator

import pytest

from odradek.testing import BrokerFailedError, BrokerProcess
from tests.faults.cluster.brokers import RECOVERY_S, Brokers, make_process
from tests.faults.cluster.checking import goes_on, under_load
from tests.faults.cluster.selection import takes_long
from tests.faults.machine import SmallDisk, small_disk
from tests.faults.waiting import wait_for
from tests.support.etcd_servers import EtcdCluster

SMALL_MIB = 256
ON_SMALL_DISK = 3


def start_anew(broker: BrokerProcess) -> None:
    """Its id is free once nobody holds it to be alive any more: what a service manager tries again, we do too."""

    def starts() -> bool:
        try:
            broker.start()
        except BrokerFailedError as error:
            if "is in use by another broker" in str(error):
                return False
            raise
        return True

    wait_for("the broker's id to be free", starts, RECOVERY_S)


def test_a_broker_whose_disk_was_wiped_comes_back_empty_and_is_filled_by_the_others(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        wiped = view.leader(("load", 0))
        brokers[wiped].kill()
        shutil.rmtree(brokers[wiped].data_dir)
        start_anew(brokers[wiped])
        goes_on(load)
        view.wait_until_whole()


@takes_long
def test_disks_are_wiped_one_after_the_other_until_nobody_has_its_first_one(brokers: Brokers) -> None:
    view = brokers.view()
    with under_load(brokers) as load:
        for broker_id in brokers.ids:
            brokers[broker_id].kill()
            shutil.rmtree(brokers[broker_id].data_dir)
            goes_on(load)
            start_anew(brokers[broker_id])
            view.wait_until_whole()


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(SMALL_MIB) as mounted:
        yield mounted


@pytest.fixture
def with_small_disk(etcd: EtcdCluster, disk: SmallDisk) -> Iterator[Brokers]:
    metadata = "etcd://" + ",".join(etcd.access.members)

    def make(broker_id: int) -> BrokerProcess:
        place = {"data_dir": disk.path / "data"} if broker_id == ON_SMALL_DISK else {}
        return make_process(broker_id, metadata, **place)

    with Brokers(make) as running:
        yield running


@takes_long
def test_a_full_disk_costs_one_replica_until_there_is_room_again(with_small_disk: Brokers, disk: SmallDisk) -> None:
    view = with_small_disk.view()
    with under_load(with_small_disk) as load:
        disk.fill()
        wait_for("the full broker to leave the in-sync replicas", lambda: not view.is_whole(), RECOVERY_S)
        for _ in range(3):
            disk.fill()
            goes_on(load)
        disk.free()
        view.wait_until_whole()


@takes_long
def test_a_broker_killed_on_a_full_disk_is_filled_again_once_there_is_room(
    with_small_disk: Brokers, disk: SmallDisk
) -> None:
    view = with_small_disk.view()
    with under_load(with_small_disk) as load:
        disk.fill()
        goes_on(load)
        with_small_disk[ON_SMALL_DISK].kill()
        goes_on(load)
        disk.free()
        with_small_disk[ON_SMALL_DISK].start()
        view.wait_until_whole()
