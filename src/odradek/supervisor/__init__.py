"""Several brokers on one machine: their processes, and the metadata store they share.

`odradek start --workers N` is this process. It alone has the database and serves it to the brokers (ADR 12); it starts
each broker as a process of its own, again when it dies, and tells the others of the death at once. It knows nothing of
records. Imports `odradek.broker` for its options, its settings, and the worker's side of a start.
"""
