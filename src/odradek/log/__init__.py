"""Logs on disk, in Apache Kafka's formats: one partition (`log.Log`) and all of a broker (`manager.LogManager`).

`Log` appends, reads, flushes, cuts and recovers one partition's directory; it owns no threads, timers or descriptors.
`LogManager` owns the log directories: locks, identity, checkpoints, creation and deletion, group commit, open files,
retention, and what a full, slow or failing disk means. Imports wire, config and host only.
"""
