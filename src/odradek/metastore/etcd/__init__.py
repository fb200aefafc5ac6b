"""The metadata store of several machines: etcd v3 through a client of our own on `grpc.aio`.

`messages` and `calls` are etcd's protocol, `errors` says what a failed call means; `members` chooses whom to ask,
`watching` and `leases` are the two long streams, `store` is the interface. Needs the extra `etcd`; nothing here is
imported by a broker that keeps its metadata elsewhere.
"""
