"""Kafka's own tools and the clients of other languages against a real Odradek broker: `make interop`."""

import pytest

pytest.register_assert_rewrite("interop.dumped", "interop.kafka")
