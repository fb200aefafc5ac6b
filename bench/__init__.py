"""Measurements: what is said of speed and memory is printed by these scripts, never asserted by a test.

`python -m bench` compares Odradek, Apache Kafka and the bare physical limit side by side; `make bench` gets what that
needs. The rows that need only an address are `odradek.benchmark`, which users have as `odradek bench`; those that need
the processes (start, memory, neighbours), Kafka's own tools or more clients are in `bench.rows`.
"""
