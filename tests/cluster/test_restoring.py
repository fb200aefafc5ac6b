"""A metadata store put back from an older backup gives nothing a second time."""

from odradek.cluster.results import NewTopic
from odradek.host.posix import PosixFiles
from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.witness import Witness
from tests.cluster.clusters import new_cluster, play

PARTITIONS = 300
"""More than one transaction takes."""


def test_producer_ids_and_leader_epochs_given_after_the_backup_are_not_given_again(tmp_path: object) -> None:
    def store(name: str, accepted: int | None = None) -> SqliteStore:
        return SqliteStore(f"{tmp_path}/{name}", witness=Witness(PosixFiles(), [str(tmp_path)]), accepted=accepted)

    async def scenario() -> None:
        first = store("metadata.db")
        cluster = new_cluster(first)
        await cluster.start()
        await cluster.create_topics([NewTopic("a", PARTITIONS, 1)])
        await cluster.allocate_producer_id()
        revision = (await first.get(b"any"))[1]
        await first.backup(f"{tmp_path}/backup.db")
        await cluster.stop()

        given = []
        for _ in range(3):
            cluster = new_cluster(store("metadata.db"))
            await cluster.start()
            given.append(await cluster.allocate_producer_id())
            epochs = [partition.leader_epoch for partition in cluster.image.topics["a"].partitions]
            await cluster.stop()

        cluster = new_cluster(store("backup.db", accepted=revision))
        await cluster.start()
        assert await cluster.allocate_producer_id() > max(given)
        restored = [partition.leader_epoch for partition in cluster.image.topics["a"].partitions]
        assert all(now > before for now, before in zip(restored, epochs, strict=True))
        await cluster.stop()

        cluster = new_cluster(store("backup.db"))
        await cluster.start()
        after = [partition.leader_epoch for partition in cluster.image.topics["a"].partitions]
        assert after == [epoch + 1 for epoch in restored]
        await cluster.stop()

    play(scenario)
