"""The data of one broker becomes a worker's, whole, also when the process dies at any step; and nothing is mixed up."""

from pathlib import Path
from uuid import UUID

import pytest

from odradek.broker.worker_directories import refuse_workers
from odradek.host.posix import PosixFiles
from odradek.log.properties import MetaProperties, render_properties
from odradek.supervisor.takeover import RefusedError, take_over
from tests.support.faulty_files import FaultyFiles

IDS = [1, 2, 3]
OF_BROKER = {
    ".kafka_cleanshutdown": "stopped", ".odradek-boot": "boot", ".odradek-inventory": "list",
    "recovery-point-offset-checkpoint": "0", "replication-offset-checkpoint": "1", "t-0/0.log": "records",
    "broker-1/0.log": "of a topic called broker", ".broker-1/0.log": "of another", "t-1.0a1b-delete/0.log": "leaving",
    "t-2.0a1b-stray/0.log": "unknown",
}  # fmt: skip
OF_OTHERS = {
    "metadata.sqlite": "db", "metadata.sqlite-wal": "wal", ".lock": "7\n", ".odradek-metadata-revision": "5\n",
    "odradek.toml": "[x]", "notes/a.txt": "mine",
}  # fmt: skip


def properties(node_id: int) -> str:
    return render_properties(MetaProperties("cluster", node_id, UUID(int=node_id))).decode()


def write(root: Path, contents: dict[str, str]) -> None:
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """What broker 1 left that was started without workers."""
    write(tmp_path, {**OF_BROKER, **OF_OTHERS, "meta.properties": properties(1)})
    return tmp_path


def as_worker(node_id: int) -> dict[str, str]:
    own = {**OF_BROKER, "meta.properties": properties(node_id)}
    return {**{f"broker-{node_id}/{name}": content for name, content in own.items()}, **OF_OTHERS}


def test_all_of_the_brokers_files_move_and_no_others(alone: Path) -> None:
    take_over(PosixFiles(), [str(alone)], IDS)
    assert contents(alone) == as_worker(1)


def test_a_second_time_nothing_moves(alone: Path) -> None:
    for _ in range(2):
        take_over(PosixFiles(), [str(alone)], IDS)
    assert contents(alone) == as_worker(1)


def test_an_empty_directory_is_left_as_it_is(tmp_path: Path) -> None:
    take_over(PosixFiles(), [str(tmp_path)], IDS)
    assert contents(tmp_path) == {}


class DyingFiles(FaultyFiles):
    """The process dies at the n-th step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps = steps

    def _enter(self, call: str) -> None:
        if len(self.calls) == self._steps:
            raise KeyboardInterrupt
        super()._enter(call)


def test_a_process_that_dies_at_any_step_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    for steps in range(1_000):
        root = tmp_path / str(steps)
        write(root, {**OF_BROKER, **OF_OTHERS, "meta.properties": properties(1)})
        files = DyingFiles(steps)
        try:
            take_over(files, [str(root)], IDS)
        except KeyboardInterrupt:
            if any(path.name.endswith(".moving") for path in root.iterdir()):
                assert "--workers" in str(refuse_workers(PosixFiles(), [str(root)]))
            take_over(PosixFiles(), [str(root)], IDS)
            assert contents(root) == as_worker(1)
        else:
            assert steps > 15
            return


def refusal(root: Path, ids: list[int]) -> str:
    """Why; nothing has changed."""
    before = contents(root)
    with pytest.raises(RefusedError) as refused:
        take_over(PosixFiles(), [str(root)], ids)
    assert contents(root) == before
    return str(refused.value)


def test_data_of_a_broker_that_is_not_among_the_workers_is_refused(alone: Path) -> None:
    assert refusal(alone, [4, 5]) == f"{alone} has the data of broker 1: start with --node-id 1"


def test_fewer_workers_than_have_data_are_refused(tmp_path: Path) -> None:
    for node_id in IDS:
        write(tmp_path, {f"broker-{node_id}/meta.properties": properties(node_id), f"broker-{node_id}/t-0/0.log": "x"})
    assert "start with --workers 3, or move" in refusal(tmp_path, [1, 2])
    assert "start with --workers 3 --node-id 1" not in refusal(tmp_path, [2, 3])


def test_a_worker_without_partitions_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, {f"broker-{node_id}/meta.properties": properties(node_id) for node_id in IDS})
    take_over(PosixFiles(), [str(tmp_path)], [1, 2])


def test_data_that_is_there_twice_is_refused(alone: Path) -> None:
    write(alone, {"broker-1/meta.properties": properties(1)})
    assert "twice" in refusal(alone, IDS)


def test_a_damaged_identity_is_refused(alone: Path) -> None:
    (alone / "meta.properties").write_text("version=x")
    assert "meta.properties: version=x" in refusal(alone, IDS)


def test_every_log_directory_is_taken_over(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / name, {"meta.properties": properties(2), f"t-{len(name)}/0.log": name})
    take_over(PosixFiles(), [str(tmp_path / "a"), str(tmp_path / "b")], IDS)
    assert sorted(contents(tmp_path)) == [
        "a/broker-2/meta.properties", "a/broker-2/t-1/0.log", "b/broker-2/meta.properties", "b/broker-2/t-1/0.log",
    ]  # fmt: skip


def test_one_broker_alone_is_not_started_where_several_were(tmp_path: Path) -> None:
    assert refuse_workers(PosixFiles(), [str(tmp_path), str(tmp_path / "none")]) is None
    for node_id in (2, 3):
        write(tmp_path, {f"broker-{node_id}/meta.properties": properties(node_id)})
    assert refuse_workers(PosixFiles(), [str(tmp_path)]) == (
        f"{tmp_path} has the data of broker 2, 3: start with --workers 2 --node-id 2"
    )


def test_partitions_of_a_topic_called_broker_are_no_workers(tmp_path: Path) -> None:
    write(tmp_path, {"broker-2/0.log": "", "broker-2/partition.metadata": ""})
    assert refuse_workers(PosixFiles(), [str(tmp_path)]) is None
