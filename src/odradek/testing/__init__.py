"""A real broker for a test: as a process of its own, or inside the test's process on a thread.

    from odradek.testing import BrokerProcess

    with BrokerProcess() as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap})

`ClusterProcess` starts several brokers at once that are one cluster. All serve `with` and `async with`. The pytest
fixtures are in `odradek.testing.plugin` and come with the installation. Imports `odradek.broker` only when a broker
starts; importing this package costs next to nothing, since pytest does it in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odradek.testing.cluster import ClusterProcess
    from odradek.testing.errors import BrokerFailedError
    from odradek.testing.in_process import InProcessBroker
    from odradek.testing.process import BrokerProcess

__all__ = ["BrokerFailedError", "BrokerProcess", "ClusterProcess", "InProcessBroker"]

_HOMES = {
    "BrokerFailedError": "odradek.testing.errors",
    "BrokerProcess": "odradek.testing.process",
    "ClusterProcess": "odradek.testing.cluster",
    "InProcessBroker": "odradek.testing.in_process",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
