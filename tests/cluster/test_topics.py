"""Topics are made, grown and deleted as Kafka does it, and a crash in between leaves nothing half done."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import pytest
from kio.schema.errors import ErrorCode

from odradek.cluster.cluster import Cluster
from odradek.cluster.image import ClusterImage
from odradek.cluster.results import NewPartitions, NewTopic
from odradek.log.life import Proof
from odradek.metastore.limits import Limits
from odradek.metastore.memory import Fault, Faults, MemoryServer, MemoryStore
from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.store import Compare, Operation, StoreFull, TxnResult
from tests.cluster.clusters import kill, new_cluster, play, start, until

SMALL = Limits(max_operations=8)
"""Few operations per transaction, so that small topics take several."""


@pytest.mark.parametrize("limits", [Limits(), SMALL])
@pytest.mark.parametrize("partitions", [1, 7, 8, 20])
def test_a_topic_is_there_when_the_answer_is(limits: Limits, partitions: int) -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer(limits=limits))
        (result,) = await cluster.create_topics([NewTopic("a.b", partitions, 1, configs={"retention.ms": "5"})])
        assert (result.error, result.num_partitions, result.replication_factor) == (ErrorCode.none, partitions, 1)
        topic = cluster.image.topics["a.b"]
        assert topic is cluster.image.topics_by_id[result.topic_id]
        assert len(topic.partitions) == partitions
        assert topic.configs == {"retention.ms": "5"}
        assert all(cluster.leads(topic, index) for index in range(partitions))
        assert cluster.image.intents == {}
        await cluster.stop()

    play(scenario)


class FullStore(MemoryStore):
    """Takes nothing while it is full."""

    is_full = False

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        if self.is_full:
            raise StoreFull("no space left")
        return await super().txn(when, then, otherwise, timeout=timeout)


def test_a_full_metadata_store_is_said_at_once_and_nothing_is_changed() -> None:
    async def scenario() -> None:
        store = FullStore(MemoryServer())
        cluster = new_cluster(store)
        await cluster.start()
        await cluster.create_topics([NewTopic("there", 1, 1)])
        store.is_full = True
        (created,) = await cluster.create_topics([NewTopic("new", 1, 1)])
        (grown,) = await cluster.create_partitions([NewPartitions("there", 2)])
        (deleted,) = await cluster.delete_topics(["there"])
        refused = [(each.error, each.message) for each in (created, grown, deleted)]
        assert refused == [(ErrorCode.kafka_storage_error, "no space left.")] * 3
        assert list(cluster.image.topics) == ["there"]
        store.is_full = False
        (created,) = await cluster.create_topics([NewTopic("new", 1, 1)])
        assert created.error is ErrorCode.none
        await cluster.stop()

    play(scenario)


def test_defaults_stand_for_minus_one() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer(), config={"num.partitions": 3})
        (result,) = await cluster.create_topics([NewTopic("a")])
        assert (result.num_partitions, result.replication_factor) == (3, 1)
        await cluster.stop()

    play(scenario)


REFUSED = [
    (NewTopic("", 1, 1), ErrorCode.invalid_topic_exception, "Topic name is invalid: the empty string is not allowed"),
    (NewTopic(".", 1, 1), ErrorCode.invalid_topic_exception, "Topic name is invalid: '.' is not allowed"),
    (NewTopic("..", 1, 1), ErrorCode.invalid_topic_exception, "Topic name is invalid: '..' is not allowed"),
    (
        NewTopic("a b", 1, 1),
        ErrorCode.invalid_topic_exception,
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
    ),
    (
        NewTopic("x" * 250, 1, 1),
        ErrorCode.invalid_topic_exception,
        f"Topic name is invalid: the length of '{'x' * 250}' is longer than the max allowed length 249",
    ),
    (NewTopic("here", 1, 1), ErrorCode.topic_already_exists, "Topic 'here' already exists."),
    (
        NewTopic("do.t", 1, 1),
        ErrorCode.invalid_topic_exception,
        "Topic 'do.t' collides with existing topic: do_t",
    ),
    (
        NewTopic("a", 0, 1),
        ErrorCode.invalid_partitions,
        "Number of partitions was set to an invalid non-positive value.",
    ),
    (
        NewTopic("a", 1, 0),
        ErrorCode.invalid_replication_factor,
        "Replication factor must be larger than 0, or -1 to use the default value.",
    ),
    (
        NewTopic("a", 1, 2),
        ErrorCode.invalid_replication_factor,
        "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached "
        "because only 1 broker(s) are registered.",
    ),
    (
        NewTopic("a", 1, -1, [(0, [0])]),
        ErrorCode.invalid_request,
        "A manual partition assignment was specified, but numPartitions was not set to -1.",
    ),
    (
        NewTopic("a", -1, 1, [(0, [0])]),
        ErrorCode.invalid_request,
        "A manual partition assignment was specified, but replication factor was not set to -1.",
    ),
    (
        NewTopic("a", assignments=[(0, [0]), (0, [0])]),
        ErrorCode.invalid_replica_assignment,
        "Found multiple manual partition assignments for partition 0",
    ),
    (
        NewTopic("a", assignments=[(0, [0]), (2, [0])]),
        ErrorCode.invalid_replica_assignment,
        "partitions should be a consecutive 0-based integer sequence",
    ),
    (
        NewTopic("a", assignments=[(0, [])]),
        ErrorCode.invalid_replica_assignment,
        "The manual partition assignment includes an empty replica list.",
    ),
    (
        NewTopic("a", assignments=[(0, [9])]),
        ErrorCode.invalid_replica_assignment,
        "The manual partition assignment includes broker 9, but no such broker is registered.",
    ),
    (
        NewTopic("a", assignments=[(0, [0, 0])]),
        ErrorCode.invalid_replica_assignment,
        "The manual partition assignment includes the broker 0 more than once.",
    ),
    (
        NewTopic("a", 10_001, 1),
        ErrorCode.policy_violation,
        "Excessively large number of partitions per request.",
    ),
    (
        NewTopic("a", 1, 1, configs={"retention.ms": None}),
        ErrorCode.invalid_config,
        "Null value not supported for topic configs: retention.ms",
    ),
    (
        NewTopic("a", 1, 1, configs={"no.such": "1"}),
        ErrorCode.invalid_config,
        "Unknown topic config name: no.such",
    ),
]


@pytest.mark.parametrize("validate_only", [True, False])
def test_what_is_refused_is_refused_in_the_words_of_kafka(validate_only: bool) -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        await cluster.create_topics([NewTopic("here", 1, 1), NewTopic("do_t", 1, 1)])
        revision = cluster.image.revision
        for topic, error, message in REFUSED:
            (result,) = await cluster.create_topics([topic], validate_only=validate_only)
            assert (result.error, result.message) == (error, message)
        assert cluster.image.revision == revision
        await cluster.stop()

    play(scenario)


def test_a_name_given_twice_refuses_both_and_nothing_else() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        results = await cluster.create_topics([NewTopic("a", 1, 1), NewTopic("b", 1, 1), NewTopic("a", 1, 1)])
        assert [result.error.name for result in results] == ["invalid_request", "none", "invalid_request"]
        assert list(cluster.image.topics) == ["b"]
        await cluster.stop()

    play(scenario)


def test_names_that_collide_are_refused_also_when_asked_for_at_once() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        results = await cluster.create_topics([NewTopic("a.b", 1, 1), NewTopic("a_b", 1, 1)])
        assert sorted(result.error.name for result in results) == ["invalid_topic_exception", "none"]
        await cluster.stop()

    play(scenario)


def test_validate_only_changes_nothing() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        (result,) = await cluster.create_topics([NewTopic("a", 4, 1)], validate_only=True)
        assert (result.error, result.num_partitions) == (ErrorCode.none, 4)
        assert cluster.image.topics == {}
        await cluster.stop()

    play(scenario)


@pytest.mark.parametrize("limits", [Limits(), SMALL])
def test_a_topic_grows(limits: Limits) -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer(limits=limits))
        await cluster.create_topics([NewTopic("a", 2, 1)])
        before = cluster.image.topics["a"].partitions
        (result,) = await cluster.create_partitions([NewPartitions("a", 20)])
        assert result.error is ErrorCode.none
        assert len(cluster.image.topics["a"].partitions) == 20
        assert cluster.image.topics["a"].partitions[:2] == before
        await cluster.stop()

    play(scenario)


@pytest.mark.parametrize(
    ("growth", "error", "message"),
    [
        (NewPartitions("none", 2), ErrorCode.unknown_topic_or_partition, None),
        (NewPartitions("a", 2), ErrorCode.invalid_partitions, "Topic already has 2 partition(s)."),
        (
            NewPartitions("a", 1),
            ErrorCode.invalid_partitions,
            "The topic a currently has 2 partition(s); 1 would not be an increase.",
        ),
        (
            NewPartitions("a", 4, [[0]]),
            ErrorCode.invalid_replica_assignment,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            NewPartitions("a", 3, [[0, 7]]),
            ErrorCode.invalid_replica_assignment,
            "The manual partition assignment includes broker 7, but no such broker is registered.",
        ),
    ],
)
def test_growth_is_refused_in_the_words_of_kafka(growth: NewPartitions, error: ErrorCode, message: str | None) -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        await cluster.create_topics([NewTopic("a", 2, 1)])
        (result,) = await cluster.create_partitions([growth])
        assert (result.error, result.message) == (error, message)
        await cluster.stop()

    play(scenario)


def test_a_deleted_topic_is_remembered_until_its_files_are_gone() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        await cluster.create_topics([NewTopic("a.b", 3, 1, configs={"retention.ms": "5"})])
        topic_id = cluster.image.topics["a.b"].topic_id
        (result,) = await cluster.delete_topics(["a.b"])
        assert (result.error, result.topic_id) == (ErrorCode.none, topic_id)
        image = cluster.image
        assert (image.topics, image.topics_by_id, image.parts, image.configs, image.collisions) == ({}, {}, {}, {}, {})
        assert image.deleted[topic_id].record.waiting == (0,)
        await cluster.create_topics([NewTopic("a_b", 1, 1)])
        await cluster.confirm_deleted(topic_id)
        await cluster.confirm_deleted(topic_id)
        assert cluster.image.deleted == {}
        await cluster.stop()

    play(scenario)


def test_topics_are_deleted_by_name_and_by_id() -> None:
    async def scenario() -> None:
        cluster = await start(MemoryServer())
        made = await cluster.create_topics([NewTopic("a", 1, 1), NewTopic("b", 1, 1)])
        results = await cluster.delete_topics(["a", made[1].topic_id, "a", UUID(int=9)])
        errors = [result.error for result in results]
        assert errors[1] is ErrorCode.none
        assert sorted(error.name for error in (errors[0], errors[2])) == ["none", "unknown_topic_or_partition"]
        assert errors[3] is ErrorCode.unknown_topic_id
        assert cluster.image.topics == {}
        await cluster.stop()

    play(scenario)


class Crash(BaseException):
    """The process is gone in the middle of a call."""


class CrashingStore(MemoryStore):
    """Counts transactions; the chosen one kills the broker, before or after it was applied."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self.transactions_left: int | None = None
        self.applied_before_crash = False

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        if self.transactions_left is None:
            return await super().txn(when, then, otherwise, timeout=timeout)
        self.transactions_left -= 1
        if self.transactions_left > 0:
            return await super().txn(when, then, otherwise, timeout=timeout)
        if self.transactions_left == 0 and self.applied_before_crash:
            await super().txn(when, then, otherwise, timeout=timeout)
        raise Crash


async def crash_during(
    server: MemoryServer, action: Callable[[Cluster], object], transactions: int, applied: bool
) -> bool:
    """Whether the action was cut short by the death of the broker at that transaction."""
    store = CrashingStore(server)
    cluster = new_cluster(store)
    await cluster.start()
    store.transactions_left, store.applied_before_crash = transactions, applied
    try:
        await action(cluster)  # type: ignore[misc]
    except Crash:
        return True
    finally:
        await kill(cluster)
    return False


def nothing_left_over(image: ClusterImage) -> None:
    """Every key belongs to something that can be seen."""
    assert image.intents == {}
    assert set(image.entries) == set(image.topics)
    assert set(image.parts) == set(image.topics_by_id)
    for topic in image.topics.values():
        assert sorted(image.parts[topic.topic_id]) == list(range(len(topic.partitions)))
    assert {name for kind, name in image.configs if kind == "topic"} <= set(image.topics)
    assert set(image.collisions.values()) <= set(image.topics)


ACTIONS: Mapping[str, tuple[Callable[[Cluster], object], tuple[int, int]]] = {
    "create": (lambda cluster: cluster.create_topics([NewTopic("n.w", 30, 1, configs={"retention.ms": "5"})]), (0, 30)),
    "grow": (lambda cluster: cluster.create_partitions([NewPartitions("old", 30)]), (2, 30)),
    "delete": (lambda cluster: cluster.delete_topics(["old"]), (2, 0)),
}


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("action", ACTIONS)
def test_a_crash_at_any_transaction_leaves_all_or_nothing(action: str, applied: bool) -> None:
    act, allowed = ACTIONS[action]

    async def scenario() -> None:
        crashes = 0
        while True:
            server = MemoryServer(limits=SMALL)
            cluster = await start(server)
            await cluster.create_topics([NewTopic("old", 2, 1)])
            await cluster.stop()
            if not await crash_during(server, act, crashes + 1, applied):
                break
            crashes += 1
            cluster = await start(server)
            image = await until(cluster, lambda image: not image.intents)
            nothing_left_over(image)
            topic = image.topics.get("n.w" if action == "create" else "old")
            assert (0 if topic is None else len(topic.partitions)) in allowed
            (result,) = await cluster.create_topics([NewTopic("n_w", 30, 1)])
            assert result.error in (ErrorCode.none, ErrorCode.invalid_topic_exception)
            await cluster.stop()
        assert crashes >= (1 if action == "delete" else 5)

    play(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_lost_replies_and_late_transactions_change_no_outcome(seed: int) -> None:
    async def scenario() -> None:
        source = random.Random(seed)
        server = MemoryServer(limits=SMALL)
        cluster = await start(server)
        server.faults = Faults(
            source, refused_rate=0.1, reply_lost_rate=0.2, applied_late_rate=0.1, late_delay_s_max=0.02
        )
        results = await cluster.create_topics([NewTopic(f"t{index}", 12, 1) for index in range(4)])
        assert [result.error for result in results] == [ErrorCode.none] * 4
        grown = await cluster.create_partitions([NewPartitions("t0", 25)])
        deleted = await cluster.delete_topics(["t1"])
        assert (grown[0].error, deleted[0].error) == (ErrorCode.none, ErrorCode.none)
        server.faults = Faults(source)
        image = await until(cluster, lambda image: not image.intents)
        assert {name: len(topic.partitions) for name, topic in image.topics.items()} == {"t0": 25, "t2": 12, "t3": 12}
        nothing_left_over(image)
        await cluster.stop()

    play(scenario)


def test_a_store_that_does_not_answer_gives_a_retriable_error_and_leaves_nothing() -> None:
    async def scenario() -> None:
        server = MemoryServer(limits=SMALL)
        cluster = await start(server)
        cluster._writer._timeout_s = 0.05
        left = [3]

        def die_after_some(_: Sequence[Operation]) -> Fault:
            left[0] -= 1
            return Fault.NONE if left[0] > 0 else Fault.REFUSED

        server.faults = Faults(random.Random(1), script=die_after_some)
        (result,) = await cluster.create_topics([NewTopic("a", 30, 1)])
        assert result.error is ErrorCode.request_timed_out
        server.faults = Faults(random.Random(1))
        nothing_left_over(await until(cluster, lambda image: not image.intents))
        assert cluster.image.topics == {}
        await cluster.stop()

    play(scenario)


def test_two_brokers_that_create_the_same_topic_make_one() -> None:
    async def scenario() -> None:
        server = MemoryServer(limits=SMALL)
        brokers = [await start(server, 0), await start(server, 1)]
        creations = [each.create_topics([NewTopic("a", 12, 2)]) for each in brokers]
        results = [result for (result,) in await asyncio.gather(*creations)]
        assert sorted(result.error.name for result in results) == ["none", "topic_already_exists"]
        for each in brokers:
            image = await until(each, lambda image: "a" in image.topics)
            assert all(set(part.isr) == {0, 1} for part in image.topics["a"].partitions)
            nothing_left_over(image)
        for each in brokers:
            await each.stop()

    play(scenario)


def test_ten_thousand_partitions_fit_into_sqlite_and_come_back(tmp_path: object) -> None:
    async def scenario() -> None:
        cluster = new_cluster(SqliteStore(f"{tmp_path}/metadata.db"))
        await cluster.start()
        (result,) = await cluster.create_topics([NewTopic("large", 10_000, 1)])
        assert result.error is ErrorCode.none
        epoch = cluster.broker_epoch
        await cluster.stop()
        cluster = new_cluster(SqliteStore(f"{tmp_path}/metadata.db"))
        await cluster.start(proof=Proof(epoch))
        partitions = cluster.image.topics["large"].partitions
        assert len(partitions) == 10_000
        assert {part.leader_epoch for part in partitions} == {1}
        assert all(part.is_led_by(0, cluster.broker_epoch) for part in partitions)
        await cluster.stop()

    play(scenario)
