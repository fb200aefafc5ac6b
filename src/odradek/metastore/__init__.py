"""The metadata store: a small, linearizable key-value store with transactions, watches and leases.

`store` is the interface; `sqlite` serves one machine, `memory` tests and the simulation; an etcd client comes beside
them. Values are opaque bytes; `odradek.cluster` gives keys and values their meaning. Imports `odradek.host` only.
"""
