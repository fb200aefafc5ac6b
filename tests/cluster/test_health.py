"""What is counted of partitions in trouble."""

from dataclasses import replace

from msgspec import structs

from odradek.cluster.health import HealthOf, PartitionHealth, health_of
from odradek.cluster.ids import ZERO_UUID
from odradek.cluster.image import ClusterImage, PartitionImage, TopicImage
from tests.cluster.clusters import partition

WHOLE = partition([1, 2, 3], leader=(1, 1), isr=[(1, 1), (2, 1), (3, 1)], min_isr=2)


def image_of(*partitions: PartitionImage) -> ClusterImage:
    return replace(ClusterImage(), topics={"t": TopicImage("t", ZERO_UUID, partitions, {}, 1)})


def test_a_whole_partition_is_in_no_trouble() -> None:
    assert health_of(image_of(WHOLE)) == PartitionHealth(partitions=1)


def test_a_replica_that_left_leaves_it_under_replicated_and_at_its_minimum() -> None:
    found = health_of(image_of(structs.replace(WHOLE, isr=(1, 2), isr_epochs=(1, 1)), WHOLE))
    assert found == PartitionHealth(partitions=2, under_replicated=1, at_min_isr=1)


def test_two_that_left_leave_it_under_its_minimum() -> None:
    found = health_of(image_of(structs.replace(WHOLE, isr=(1,), isr_epochs=(1,))))
    assert found == PartitionHealth(partitions=1, under_replicated=1, under_min_isr=1)


def test_without_a_leader_it_is_offline_and_not_led_by_the_preferred_one() -> None:
    found = health_of(image_of(structs.replace(WHOLE, leader=-1, isr=(), isr_epochs=())))
    assert found == PartitionHealth(partitions=1, offline=1, under_replicated=1, under_min_isr=1, led_elsewhere=1)


def test_a_replica_that_is_only_being_added_is_not_missed() -> None:
    growing = partition([1, 2, 3, 4], leader=(1, 1), isr=[(1, 1), (2, 1), (3, 1)], min_isr=2)
    assert health_of(image_of(structs.replace(growing, adding=(4,)))) == PartitionHealth(partitions=1)


def test_one_copy_is_all_a_minimum_can_ask_of_a_topic_with_one() -> None:
    alone = partition([1], leader=(1, 1), isr=[(1, 1)], min_isr=2)
    assert health_of(image_of(alone)) == PartitionHealth(partitions=1, at_min_isr=1)


def test_another_leader_than_the_preferred_one_is_noticed() -> None:
    assert health_of(image_of(structs.replace(WHOLE, leader=2))) == PartitionHealth(partitions=1, led_elsewhere=1)


def test_a_new_image_is_counted_anew() -> None:
    counted = HealthOf()
    assert counted(image_of(WHOLE)).under_replicated == 0
    assert counted(image_of(structs.replace(WHOLE, isr=(1,), isr_epochs=(1,)))).under_replicated == 1
