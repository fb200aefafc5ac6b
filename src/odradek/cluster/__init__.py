"""Metadata of the cluster: brokers, topics, partitions, configurations, and who decides about them.

Everything is kept in the metadata store; this package gives its keys and values their meaning, holds an immutable
image of them (`image`), and makes every change a compare-and-swap. Decisions are pure functions of an image
(`elections`, `placement`, `topic_plans`, `config_plans`); `Cluster` is the shell around them.
Imports `odradek.metastore`, `odradek.config`, `odradek.host`.
"""
