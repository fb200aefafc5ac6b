"""Consumer groups: the classic group protocol, committed offsets, and the coordinator that stores both.

The rules (`state`, `member`, `group`, `joining`, `rebalancing`, `syncing`, `membership`, `offsets`) are plain
synchronous Python: they are given the time and return effects. The shell (`shard`, `writer`, `timers`, `coordinator`)
stores records in `__consumer_offsets`, keeps one timer heap and answers waiting requests. A group's type decides its
class; `classic` is the only one, a second one lives beside it in the same shard. May import replication, cluster,
wire, config, observe and host.
"""
