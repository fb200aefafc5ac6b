"""One command line becomes the options of several brokers."""

import pytest

from odradek.broker.options import StartOptions
from odradek.broker.settings import load_config
from odradek.config import ConfigError
from odradek.supervisor.plan import addresses_of, make_plans

TWO = {"listener.security.protocol.map": "A:PLAINTEXT,B:PLAINTEXT"}


def plans(**options: object) -> list[tuple[int, StartOptions]]:
    given = StartOptions(workers=3, data_dir="/data", **options)  # type: ignore[arg-type]
    return [
        (plan.node_id, plan.options) for plan in make_plans(given, load_config(given), "/data/metadata.sock", "host")
    ]


def settings(key: str, **options: object) -> list[object]:
    return [load_config(worker).get(key) for _, worker in plans(**options)]


def test_ids_ports_and_directories_are_counted_up() -> None:
    assert [node_id for node_id, _ in plans()] == [1, 2, 3]
    assert settings("node.id", node_id=7) == [7, 8, 9]
    assert settings("listeners", listen="127.0.0.1:9092") == [
        (f"PLAINTEXT://127.0.0.1:{port}",) for port in (9092, 9093, 9094)
    ]
    assert settings("log.dirs", node_id=7) == [(f"/data/broker-{node_id}",) for node_id in (7, 8, 9)]


def test_all_are_in_one_rack_which_is_the_host_unless_it_is_named() -> None:
    assert settings("broker.rack") == ["host"] * 3
    assert settings("broker.rack", overrides={"broker.rack": "r1"}) == ["r1"] * 3


def test_every_listener_and_what_clients_are_told_are_counted_up() -> None:
    several = {"listeners": "A://0.0.0.0:9092,B://[::1]:9192", "advertised.listeners": "A://host:1000,B://[::1]:9192",
               **TWO}  # fmt: skip
    last = load_config(plans(overrides=several)[2][1])
    assert [str(each) for each in last.listeners] == ["A://0.0.0.0:9094", "B://[::1]:9194"]
    assert [str(each) for each in last.advertised_listeners] == ["A://host:1002", "B://[::1]:9194"]


def test_a_free_port_stays_one() -> None:
    assert settings("listeners", listen="127.0.0.1:0") == [("PLAINTEXT://127.0.0.1:0",)] * 3


def test_metrics_are_counted_up_too() -> None:
    assert [worker.metrics for _, worker in plans(metrics="127.0.0.1:9100")] == [
        "127.0.0.1:9100", "127.0.0.1:9101", "127.0.0.1:9102",
    ]  # fmt: skip
    assert [worker.metrics for _, worker in plans()] == [None] * 3


def test_each_of_several_log_directories_is_divided() -> None:
    assert settings("log.dirs", overrides={"log.dirs": "/a,/b/"})[1] == ("/a/broker-2", "/b/broker-2")


def test_what_else_was_asked_for_reaches_every_broker() -> None:
    for _, worker in plans(overrides={"num.partitions": "7"}, cluster="c", log_format="json", log_level="DEBUG"):
        assert load_config(worker).get("num.partitions") == 7
        assert (worker.cluster, worker.log_format, worker.log_level) == ("c", "json", "DEBUG")
        assert worker.metadata_socket == "/data/metadata.sock"
        assert worker.workers is None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"listen": "127.0.0.1:65534"}, "beyond 65535"),
        ({"listen": "127.0.0.1:9092", "metrics": "127.0.0.1:9094"}, "brokers 1 and 3 would both listen on"),
        ({"metrics": "127.0.0.1:65535"}, "beyond 65535"),
        ({"overrides": {"listeners": "A://h:9092,B://h:9093", **TWO}}, "leave 3 ports"),
    ],
)
def test_ports_that_do_not_fit_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        plans(**options)


def test_the_addresses_of_a_broker_are_those_of_its_listeners_and_its_metrics() -> None:
    first = plans(listen="127.0.0.1:9092", metrics="127.0.0.1:9100")[0][1]
    assert addresses_of(first) == [("127.0.0.1", 9092), ("127.0.0.1", 9100)]
