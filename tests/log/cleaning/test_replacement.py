"""A log whose segments are being replaced goes on being read, cut and aged."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from odradek.log.cleaning import replacement
from odradek.log.cleaning.replacement import WrongOutputError
from odradek.log.log import Log
from odradek.log.manager import LogManager
from tests.support.compacting import compact, compact_config, put, records_in, settle, table_in
from tests.support.log_managers import create, keys, opened
from tests.support.logs import NOW_MS, read_from

ROWS = 100
Scenario = Callable[[LogManager, Log], Coroutine[Any, Any, None]]


def on_a_log(path: Path, scenario: Scenario, **config: Any) -> None:
    async def live() -> None:
        manager = await opened(path)
        (log,) = await create(manager, keys("table", 1), compact_config(**config))
        for number in range(ROWS):
            put(log, (f"key-{number % 7}", f"value-{number}"))
        await settle(manager, log)
        await scenario(manager, log)
        await manager.stop()

    asyncio.run(live())


def in_the_middle(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do it once, while the first swap is under way: it counts, but its files have not got their names."""
    end = replacement.Swap.end
    acted: list[object] = []

    def with_act(swap: replacement.Swap) -> None:
        if not acted:
            acted.append(act())
        end(swap)

    monkeypatch.setattr(replacement.Swap, "end", with_act)


def test_readers_find_every_key_while_segments_are_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        tables = []
        in_the_middle(monkeypatch, lambda: tables.append(table_in(log)))
        assert await compact(manager, log)
        tables.append(table_in(log))
        assert tables == [{f"key-{number % 7}": f"value-{number}" for number in range(ROWS - 7, ROWS)}] * 2

    on_a_log(tmp_path, scenario)


def test_a_range_found_before_the_swap_is_read_after_it(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        before = read_from(log, 0)
        located = log.locate(0, 1 << 20)
        assert located is not None
        assert await compact(manager, log)
        content = bytearray(located.length)
        assert manager.files.preadv(located.fd, [content], located.position) == located.length
        assert log.note_read(located, memoryview(content)) == located.length
        located.release()
        assert bytes(content) == before

    on_a_log(tmp_path, scenario)


def test_an_offset_whose_record_went_is_answered_with_the_next_batch(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        assert await compact(manager, log)
        first = records_in(log)[0].offset
        assert first > 0
        for offset in range(log.log_end_offset):
            left = [each.offset for each in records_in(log) if each.offset >= offset]
            content = read_from(log, offset)
            assert content[:8] <= left[0].to_bytes(8, "big") if left else True

    on_a_log(tmp_path, scenario)


def test_a_truncation_in_the_middle_of_a_swap_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        in_the_middle(monkeypatch, lambda: log.truncate_to(50))
        assert not await compact(manager, log)
        assert log.swap is None
        assert log.log_end_offset <= 50
        assert log.cleaned_offset <= log.log_end_offset
        names = manager.files.listdir(log.directory)
        assert not [name for name in names if name.endswith((".swap", ".cleaned"))]
        kept = [each.offset for each in records_in(log)]
        await settle(manager, log)
        await manager.stop()
        again = await opened(tmp_path, config=compact_config())
        (log,) = again.logs.values()
        assert [each.offset for each in records_in(log)] == kept
        await again.stop()

    on_a_log(tmp_path, scenario)


def test_retention_leaves_a_log_alone_while_its_segments_are_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        removed: list[str] = []
        log.advance_log_start(40)
        in_the_middle(monkeypatch, lambda: removed.extend(log.delete_old_segments(NOW_MS)))
        assert await compact(manager, log)
        assert removed == []
        assert log.log_start_offset == 40

    on_a_log(tmp_path, scenario)


def test_a_topic_deleted_while_it_is_compacted_is_gone(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        compacting = asyncio.ensure_future(compact(manager, log))
        await asyncio.sleep(0)
        assert await manager.delete([(log.topic_id, log.partition)])
        assert not await compacting
        assert manager.files.exists(str(tmp_path))
        assert not manager.files.exists(log.directory)

    on_a_log(tmp_path, scenario)


def test_a_log_of_both_policies_is_compacted_and_loses_its_old_segments(tmp_path: Path) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        assert await compact(manager, log)
        log.config = replace(log.config, retention_bytes=0)
        for number in range(30):
            put(log, (f"key-{number % 3}", f"new-{number}"))
        assert await compact(manager, log)
        await manager.flusher.drain()
        assert log.log_start_offset > 0
        assert len(records_in(log)) <= 3

    on_a_log(tmp_path, scenario, cleanup_policy=frozenset({"compact", "delete"}))


def test_an_output_that_ends_too_early_is_not_swapped_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(manager: LogManager, log: Log) -> None:
        monkeypatch.setattr(replacement, "prepare", lie)
        before = records_in(log)
        assert not await compact(manager, log)
        assert records_in(log) == before
        assert log in manager.cleaner.uncleanable

    def lie(*_: object) -> None:
        raise WrongOutputError("not what it said")

    on_a_log(tmp_path, scenario)


def test_damage_makes_one_log_uncleanable_and_the_others_go_on(tmp_path: Path) -> None:
    async def live() -> None:
        manager = await opened(tmp_path)
        logs = await create(manager, keys("table", 2), compact_config())
        for log in logs:
            for number in range(ROWS):
                put(log, (f"key-{number % 7}", f"value-{number}"))
            await settle(manager, log)
        handle = logs[0].segments[0].open_log()
        manager.files.pwritev(handle.fd, [b"damage"], 70)
        assert [await compact(manager, log) for log in logs] == [False, True]
        assert list(manager.cleaner.uncleanable) == [logs[0]]
        await manager.stop()

    asyncio.run(live())
