"""Metadata of the cluster: brokers, topics, partitions, configurations, and who decides about them.

Everything is kept in the metadata store; this package gives its keys and values their meaning, holds an immutable
image of them (`image`), and makes every change a compare-and-swap. Decisions are pure functions of an image
(`elections`, `placement`, `reassignments`, `topic_plans`, `config_plans`, `balance_state`, `balance_steps`); `Cluster`
is the shell around them, `Balancer` the controller's part that moves replicas.
Imports `odradek.metastore`, `odradek.balancing`, `odradek.config`, `odradek.host`.
"""
