"""The metadata store of several machines: etcd v3 through a client of our own on `grpc.aio`.

`messages` and `calls` are etcd's protocol, `errors` says what a failed call means; `members` chooses whom to ask,
`watching` and `leases` are the two long streams, `store` is the interface. Needs the extra `etcd`; nothing here is
imported by a broker that keeps its metadata elsewhere.
"""

import os

# Before gRPC is imported. Its C code writes to stderr, among the broker's own lines (also a line for each process that
# is started), and its fork handlers would wait for threads: helper processes of a broker are always exec'd.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
