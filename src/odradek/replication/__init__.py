"""Partitions of this broker: leadership, high watermark, who waits for what is committed.

`ReplicaManager` follows the cluster's image and finds partitions; `Partition` appends and commits; `high_watermark`
decides how far. Structured for followers: with one replica their list is empty. Imports cluster, log and what is below.
"""
