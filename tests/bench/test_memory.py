"""The page cache that a bench fills: it leaves no file, and gives everything back."""

import os
from pathlib import Path

import pytest
from bench.memory import PageCache

PAGE = os.sysconf("SC_PAGE_SIZE")


def _cached_bytes() -> int:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["Cached"].split()[0]) << 10


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had 256 MiB: tests leave this machine's memory alone."""
    sizes = {"SC_PHYS_PAGES": (256 << 20) // PAGE, "SC_PAGE_SIZE": PAGE, "SC_AVPHYS_PAGES": (128 << 20) // PAGE}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)


@pytest.mark.usefixtures("small_machine")
def test_it_is_filled_from_a_file_that_has_no_name(tmp_path: Path) -> None:
    before = _cached_bytes()
    cache = PageCache(tmp_path)
    cache.fill()
    assert list(tmp_path.iterdir()) == []
    assert _cached_bytes() - before > 128 << 20
    cache.close()
