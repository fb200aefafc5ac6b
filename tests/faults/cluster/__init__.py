"""Clusters of real brokers on a real etcd of three members, under load from real clients, while faults happen.

Afterwards nothing that was acknowledged is lost, reordered or there twice, every committed offset is kept, all replicas
are in sync again and equal byte for byte. What takes long runs with ODRADEK_TEST_CLUSTER=1, and in `make soak`.
"""
