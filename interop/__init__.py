"""Kafka's own tools and the clients of other languages against a real Odradek broker: `make interop`."""
