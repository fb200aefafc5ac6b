"""What is told about this process."""

from odradek.observe.metrics import Registry
from odradek.observe.process import register_process_metrics


def test_memory_cpu_and_descriptors_of_this_process() -> None:
    registry = Registry()
    register_process_metrics(registry, 1_000_000_000.25)
    lines = [line.split() for line in registry.render().decode().splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, value in lines}
    assert found["process_start_time_seconds"] == 1_000_000_000.25
    assert found["process_resident_memory_bytes"] > 1_000_000
    assert 3 <= found["process_open_fds"] <= found["process_max_fds"]
    assert found["process_cpu_seconds_total"] > 0
