"""The registry renders what Prometheus' text format says."""

import math

import pytest

from odradek.observe import metrics
from odradek.observe.metrics import Registry


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_a_counter_starts_at_nothing_and_rises(registry: Registry) -> None:
    requests = registry.counter("requests_total", "Requests served.")
    assert (
        registry.render()
        == b"# HELP requests_total Requests served.\n# TYPE requests_total counter\nrequests_total 0\n"
    )
    requests.child().increment()
    requests.child().increment(2.5)
    assert b"\nrequests_total 3.5\n" in registry.render()


def test_labels_tell_children_apart(registry: Registry) -> None:
    requests = registry.counter("requests_total", "Requests.", ["api", "version"])
    requests.child("Fetch", "4").increment()
    requests.child("Fetch", "4").increment()
    requests.child("Produce", "9").increment()
    assert (
        b'requests_total{api="Fetch",version="4"} 2\nrequests_total{api="Produce",version="9"} 1\n' in registry.render()
    )


def test_a_histogram_counts_up_to_each_bound(registry: Registry) -> None:
    sizes = registry.histogram("size_bytes", "Sizes.", [10, 100])
    for size in (1, 10, 11, 1000):
        sizes.child().observe(size)
    assert registry.render().decode().splitlines()[2:] == [
        'size_bytes_bucket{le="10"} 2',
        'size_bytes_bucket{le="100"} 3',
        'size_bytes_bucket{le="+Inf"} 4',
        "size_bytes_sum 1022",
        "size_bytes_count 4",
    ]


def test_numbers_kept_elsewhere_are_read_when_asked(registry: Registry) -> None:
    numbers = {"open": 1.0}
    registry.read_gauge("connections", "Open.", lambda: numbers["open"])
    registry.read_counter("bytes_total", "Bytes.", lambda: 7)
    registry.read_gauges("size", "Sizes.", ["directory"], lambda: [(("/a",), 1), (("/b",), math.inf)])
    numbers["open"] = 5
    lines = registry.render().decode().splitlines()
    assert "connections 5" in lines
    assert "bytes_total 7" in lines
    assert lines[-2:] == ['size{directory="/a"} 1', 'size{directory="/b"} +Inf']


def test_label_values_and_help_are_escaped(registry: Registry) -> None:
    registry.info("build", "One\nline \\ only.", {"path": 'a"b\\c\nd'})
    assert (
        registry.render() == b'# HELP build One\\nline \\\\ only.\n# TYPE build gauge\nbuild{path="a\\"b\\\\c\\nd"} 1\n'
    )


def test_label_combinations_are_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CHILDREN_MAX", 2)
    clients = registry.counter("clients_total", "Clients.", ["name"])
    for name in ("a", "b", "c", "d"):
        clients.child(name).increment()
    assert b'{name="a"} 1\nclients_total{name="b"} 1\nclients_total{name="other"} 2\n' in registry.render()


def test_mistakes_of_the_code_are_refused(registry: Registry) -> None:
    registry.counter("twice_total", "Once.")
    with pytest.raises(ValueError, match="twice"):
        registry.counter("twice_total", "Again.")
    with pytest.raises(ValueError, match="cannot be the name"):
        registry.counter("with space", "Bad.")
    with pytest.raises(ValueError, match="ascend"):
        registry.histogram("h", "Bad.", [2, 1])
    with pytest.raises(ValueError, match="labels"):
        registry.counter("labelled_total", "Labelled.", ["a"]).child("1", "2")


def test_an_empty_registry_renders_nothing(registry: Registry) -> None:
    assert registry.render() == b""
