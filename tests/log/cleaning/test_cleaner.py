"""A compacted log end to end: on the real file system, in the executor and in a helper process."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from odradek.host.processes import PosixProcesses
from odradek.log.cleaning.settings import CleanerSettings
from odradek.log.log import Log
from odradek.log.manager import LogManager
from tests.support.compacting import compact, compact_config, put, records_in, settle, table_in
from tests.support.log_managers import CREWS, create, keys, opened, until
from tests.support.logs import NOW_MS

Scenario = Callable[[LogManager, Log], Coroutine[None, None, None]]


def on_a_log(path: Path, scenario: Scenario, *, processes: bool = False, **config: object) -> None:
    async def live() -> None:
        manager = await opened(path, processes=PosixProcesses() if processes else None)
        (log,) = await create(manager, keys("table", 1), compact_config(**config))
        await scenario(manager, log)
        await manager.stop()

    asyncio.run(live())


@pytest.mark.parametrize("processes", [False, True], ids=["in the executor", "in a process"])
def test_the_last_record_of_each_key_stays_at_its_offset(tmp_path: Path, processes: bool) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        chance = random.Random(3)
        written: dict[int, tuple[str, str]] = {}
        for number in range(300):
            pair = (f"key-{chance.randrange(20)}", f"value-{number}")
            written[put(log, pair)] = pair
        before = log.size_bytes
        assert len(log.segments) > 10
        assert await compact(manager, log)
        last = {key: offset for offset, (key, _) in written.items()}
        found = [(each.offset, (each.key or b"").decode(), (each.value or b"").decode()) for each in records_in(log)]
        assert found == [(offset, *written[offset]) for offset in sorted(last.values())]
        assert log.size_bytes < before / 5
        assert log.size_bytes == sum(segment.size for segment in log.segments)
        assert log.cleaned_offset == 300

    on_a_log(tmp_path, scenario, processes=processes)


def test_what_is_compacted_is_there_after_a_restart(tmp_path: Path) -> None:
    async def live() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("table", 1), compact_config())
        for number in range(100):
            put(log, (f"key-{number % 7}", f"value-{number}"))
        assert await compact(manager, log)
        before = records_in(log)
        await manager.stop()
        manager = await opened(tmp_path, config=compact_config())
        (log,) = manager.logs.values()
        assert records_in(log) == before
        assert log.cleaned_offset == 100
        names = manager.files.listdir(log.directory)
        assert not [name for name in names if name.endswith((".swap", ".cleaned"))]
        await manager.stop()

    asyncio.run(live())


def test_a_second_cleaning_looks_at_new_records_only_and_keeps_what_the_first_left(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        for number in range(100):
            put(log, (f"key-{number % 50}", f"old-{number}"))
        assert await compact(manager, log)
        for number in range(100):
            put(log, (f"key-{number % 25}", f"new-{number}"))
        assert await compact(manager, log)
        table = table_in(log)
        assert table == {f"key-{n}": f"new-{n + 75}" if n < 25 else f"old-{n + 50}" for n in range(50)}
        assert len(records_in(log)) == 50

    on_a_log(tmp_path, scenario)


def test_a_tombstone_stays_for_delete_retention_and_goes_then(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        put(log, ("a", "1"), ("b", "1"))
        put(log, ("a", None))
        assert await compact(manager, log)
        assert table_in(log) == {"b": "1", "a": None}
        put(log, ("c", "1"))
        assert await compact(manager, log)
        assert table_in(log) == {"b": "1", "a": None, "c": "1"}
        manager.time_ms = lambda: NOW_MS + 1000
        put(log, ("d", "1"))
        assert await compact(manager, log)
        assert table_in(log) == {"b": "1", "c": "1", "d": "1"}

    on_a_log(tmp_path, scenario, delete_retention_ms=1000)


class Owner:
    """Leads a log, of which everything is committed up to `high_watermark`."""

    def __init__(self, high_watermark: int) -> None:
        self.high_watermark = self.last_stable_offset = high_watermark

    def flushed(self) -> None: ...

    def log_start_moved(self) -> None: ...

    def directory_failed(self, message: str) -> None:
        raise AssertionError(message)


def test_a_log_is_cleaned_by_itself_once_it_is_dirty_enough_and_only_as_far_as_it_is_committed(tmp_path: Path) -> None:
    async def live() -> None:
        manager = await opened(tmp_path, cleaner=CleanerSettings(backoff_ms=5))
        (log,) = await create(manager, keys("table", 1), compact_config())
        for number in range(100):
            put(log, (f"key-{number % 7}", f"value-{number}"))
        await settle(manager, log)
        committed = log.segments[6].base_offset
        manager.attach(log, Owner(committed + 1))
        await until(lambda: log.cleaned_offset == committed)
        assert manager.cleaner.statistics.cleanings == 1
        assert [each.offset for each in records_in(log)][-(100 - committed) :] == list(range(committed, 100))
        await manager.stop()

    asyncio.run(live())


def test_a_cleaner_that_is_not_enabled_cleans_nothing(tmp_path: Path) -> None:
    async def live() -> None:
        manager = await opened(tmp_path, cleaner=CleanerSettings(enable=False, backoff_ms=0))
        (log,) = await create(manager, keys("table", 1), compact_config())
        put(log, ("a", "1"), ("a", "2"))
        await settle(manager, log)
        manager.attach(log, Owner(2))
        for _ in range(20):
            await asyncio.sleep(0)
        assert manager.cleaner.statistics.cleanings == 0
        assert log.cleaned_offset == -1
        await manager.stop()

    asyncio.run(live())


def test_a_stop_does_not_wait_for_a_cleaning(tmp_path: Path) -> None:
    async def live() -> None:
        slowly = CleanerSettings(io_max_bytes_per_second=1.0)
        manager = await opened(tmp_path, cleaner=slowly, processes=PosixProcesses())
        (log,) = await create(manager, keys("table", 1), compact_config())
        for number in range(100):
            put(log, (f"key-{number % 7}", f"value-{number}"))
        await settle(manager, log)
        cleaning = asyncio.ensure_future(manager.cleaner.clean_now(log))
        await until(lambda: manager.cleaner._cleaning)
        await manager.stop()
        assert not await cleaning
        again = await opened(tmp_path, config=compact_config())
        assert [each.offset for each in records_in(next(iter(again.logs.values())))] == list(range(100))
        await again.stop()

    asyncio.run(live())


def test_what_was_cleaned_of_a_deleted_topic_does_not_count_for_the_next_of_its_name(tmp_path: Path) -> None:
    async def live() -> None:
        manager = await opened(tmp_path)
        (log,) = await create(manager, keys("table", 1), compact_config())
        put(log, ("a", "1"), ("a", "2"))
        assert await compact(manager, log)
        assert await manager.delete([(log.topic_id, log.partition)])
        (log,) = await create(manager, keys("table", 1, CREWS), compact_config())
        put(log, ("a", "1"), ("a", "2"), ("a", "3"))
        await manager.stop()
        manager = await opened(tmp_path, config=compact_config())
        (log,) = manager.logs.values()
        assert log.cleaned_offset == -1
        await manager.stop()

    asyncio.run(live())


def test_the_active_segment_ends_early_enough_for_the_longest_lag(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        put(log, ("a", "1"))
        put(log, ("a", "2"), timestamp_ms=NOW_MS + 500)
        assert len(log.segments) == 1
        put(log, ("a", "3"), timestamp_ms=NOW_MS + 501)
        assert len(log.segments) == 2

    on_a_log(tmp_path, scenario, max_compaction_lag_ms=500)


def test_a_full_map_cleans_a_part_and_the_next_cleaning_goes_on_there(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        manager.cleaner.settings = CleanerSettings(dedupe_buffer_size=24 * 10)
        for number in range(60):
            put(log, (f"key-{number % 30}", f"value-{number}"))
        ends = []
        while await compact(manager, log):
            ends.append(log.cleaned_offset)
        assert ends == sorted(set(ends))
        assert len(ends) > 3
        assert table_in(log) == {f"key-{number}": f"value-{number + 30}" for number in range(30)}
        assert len(records_in(log)) == 30

    on_a_log(tmp_path, scenario)
