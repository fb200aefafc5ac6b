"""The metadata store: a small, linearizable key-value store with transactions, watches and leases.

`store` is the interface; `sqlite` serves one machine, `etcd` several, `memory` tests and the simulation. Values are
opaque bytes; `odradek.cluster` gives keys and values their meaning. Imports `odradek.host`, and of
`odradek.config` how etcd is reached.
"""
