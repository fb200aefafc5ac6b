"""One broker: the composition root, connections, the router, and one module per API in `handlers`.

Owns everything between a socket and the partition, group or metadata it is about, and the life of the process
(`server`). It may import all packages below it; only `machine` and `server` touch the real operating system.
"""
