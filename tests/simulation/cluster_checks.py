"""What has to be true of a cluster's logs: at every moment of what is committed, and in the end of everything."""

from uuid import UUID

from odradek.cluster.image import NO_LEADER, ClusterImage, PartitionImage
from odradek.replication.partition import Partition
from tests.simulation.cluster_world import ClusterWorld

Place = tuple[UUID, int]


class CommittedLogs:
    """Every batch that any replica has ever called committed, as it was: that set only grows, and all agree on it."""

    def __init__(self, cluster: ClusterWorld) -> None:
        self._cluster = cluster
        self._batches: dict[Place, dict[int, bytes]] = {}
        self._compared: dict[tuple[int, Partition], int] = {}
        """Replica (of one life of a broker) -> up to where it is known to agree."""
        self._leaders: dict[tuple[Place, int], tuple[int, int]] = {}
        """Leader epoch -> who leads in it: a broker, in one broker epoch."""
        self._halted: dict[Partition, tuple[int, int]] = {}
        """Leaders that lack replicas in sync -> committed state they know, and their high watermark."""

    def look(self) -> None:
        """Compare what each live replica has come to call committed. Raises AssertionError."""
        self._look_at_epochs()
        for broker_id in self._cluster.ids:
            for partition in self._cluster.partitions_of(broker_id):
                self._compare(broker_id, partition)
                self._look_at_leader(broker_id, partition)

    def _look_at_epochs(self) -> None:
        """Every assumption of leadership has an epoch of its own, also by the same broker after a restart."""
        for topic_id, parts in self._cluster.truth().parts.items():
            for index, state in parts.items():
                if state.leader == NO_LEADER:
                    continue
                who = (state.leader, state.leader_broker_epoch)
                known = self._leaders.setdefault(((topic_id, index), state.leader_epoch), who)
                assert known == who, f"partition {index} is led by {known} and by {who} in epoch {state.leader_epoch}"

    def _look_at_leader(self, broker_id: int, partition: Partition) -> None:
        """Nothing becomes committed while fewer replicas are in sync than min.insync.replicas (KIP-966)."""
        followers = partition._followers
        if followers is None or partition._isr_size >= partition._min_isr:
            self._halted.pop(partition, None)
            return
        revision, end = self._halted.setdefault(partition, (followers.image.mod_revision, partition.high_watermark))
        if revision != followers.image.mod_revision:
            self._halted[partition] = (followers.image.mod_revision, partition.high_watermark)
            return
        name = f"{partition.topic}-{partition.index} on broker {broker_id}"
        assert partition.high_watermark == end, f"{name} commits offset {end} with {followers.image.isr} in sync"

    def _compare(self, broker_id: int, partition: Partition) -> None:
        end, compared = partition.high_watermark, self._compared.get((broker_id, partition), 0)
        if end <= compared or partition.log.damage is not None:
            return
        known = self._batches.setdefault((partition.topic_id, partition.index), {})
        found = dict(self._cluster.content(broker_id, partition.log, compared, end))
        name = f"{partition.topic}-{partition.index} on broker {broker_id}"
        for at, data in found.items():
            assert known.setdefault(at, data) == data, f"{name}: offset {at} is committed as another batch"
        start = max(partition.log_start_offset, compared)
        missing = [at for at in known if start <= at < end and at not in found]
        assert not missing, f"{name}: committed up to {end} without offset {missing[:1]}"
        self._compared[broker_id, partition] = end

    def forget(self, broker_id: int) -> None:
        """What it has is to be compared anew: it has begun another life."""
        self._compared = {key: end for key, end in self._compared.items() if key[0] != broker_id}


def unhealthy(cluster: ClusterWorld) -> str:
    """Why the cluster is not as it should be when nothing is wrong any more; empty when it is."""
    down = [broker_id for broker_id in cluster.ids if not cluster.is_up(broker_id)]
    if down:
        return f"brokers {down} do not serve"
    truth = cluster.truth()
    fenced = [broker_id for broker_id in cluster.ids if not truth.brokers[broker_id].is_active]
    if fenced:
        return f"brokers {fenced} are fenced or leaving"
    if truth.intents:
        return "a topic is half made"
    if truth.deleted:
        return "a deleted topic is not gone"
    for topic in truth.topics.values():
        for index, partition in enumerate(topic.partitions):
            if problem := _problem(truth, partition):
                return f"{topic.name}-{index} {problem}"
    return ""


def unequal(cluster: ClusterWorld) -> str:
    """Why the replicas are not all the same, once nobody writes any more; empty when they are."""
    for topic in cluster.truth().topics.values():
        for index, partition in enumerate(topic.partitions):
            if problem := _difference(cluster, topic.name, index, partition):
                return f"{topic.name}-{index} {problem}"
    return ""


def _problem(truth: ClusterImage, partition: PartitionImage) -> str:
    if partition.leader == NO_LEADER:
        return "has no leader"
    if partition.adding or partition.removing:
        return "is being moved"
    if set(partition.isr) != set(partition.replicas):
        return f"has {partition.isr} of {partition.replicas} in sync"
    if partition.elr:
        return f"has an ELR {partition.elr}"
    if drained := set(partition.replicas) & truth.draining_brokers():
        return f"is on {drained}, which are drained"
    return ""


def _difference(cluster: ClusterWorld, topic: str, index: int, image: PartitionImage) -> str:
    """Between the replicas: their places, their ends, their bytes, what they call committed."""
    found = {
        broker_id: partition
        for broker_id in cluster.ids
        for partition in cluster.partitions_of(broker_id)
        if (partition.topic, partition.index) == (topic, index)
    }
    if set(found) != set(image.replicas):
        return f"is on {sorted(found)}"
    ends = {broker_id: (each.log.log_end_offset, each.high_watermark) for broker_id, each in found.items()}
    if len({end for both in ends.values() for end in both}) != 1:
        return f"ends, and is committed up to, {ends}"
    start = max(each.log_start_offset for each in found.values())
    end = min(each.high_watermark for each in found.values())
    contents = {
        broker_id: b"".join(data for _, data in cluster.content(broker_id, each.log, start, end))
        for broker_id, each in found.items()
    }
    assert len(set(contents.values())) == 1, f"{topic}-{index}: the replicas' bytes differ"
    return ""
