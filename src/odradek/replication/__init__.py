"""Partitions of this broker: who leads them, how far they are committed, and how they follow other brokers'.

`ReplicaManager` follows the cluster's image and finds partitions; `Partition` appends and commits, for a leader as far
as `followers` and `high_watermark` allow. `ReplicaFetchers` follow: a `Fetcher` asks a leader over its `Link`,
`following` decides what an answer means, `answers` and `truncation` do it. Imports cluster, log and what is below.
"""
