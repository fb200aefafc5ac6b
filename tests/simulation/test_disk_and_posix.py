"""Without a crash, the simulated disk and the operating system's answer alike."""

import contextlib
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from odradek.host.posix import PosixFiles
from odradek.simulation import Disk

NAMES = st.sampled_from(["a", "b", "d", "d/x", "d/y", "e", "e/x", "missing/x"])
FLAGS = st.sampled_from(
    [
        os.O_RDONLY,
        os.O_RDWR,
        os.O_WRONLY,
        os.O_RDWR | os.O_CREAT,
        os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
        os.O_RDWR | os.O_CREAT | os.O_EXCL,
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    ]
)
OFFSETS = st.integers(0, 3000)
LENGTHS = st.integers(0, 2000)
ROOT = "/data"


class TwoFileSystems(RuleBasedStateMachine):
    """Does everything on both, with its own numbers for open files, and compares what comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.real = PosixFiles()
        disk = Disk(random.Random(1))
        disk.make_directories(ROOT)
        self.simulated = disk.mount()
        self.opened: list[tuple[int, int]] = []

    def teardown(self) -> None:
        for real, _ in self.opened:
            with contextlib.suppress(OSError):
                self.real.close(real)
        shutil.rmtree(self.directory)

    def both(self, method: str, *paths: str, arguments: tuple[Any, ...] = ()) -> tuple[Any, Any] | None:
        """Results of both; None when both raised the same error."""
        real = _result(getattr(self.real, method), [f"{self.directory}/{path}" for path in paths], arguments)
        simulated = _result(getattr(self.simulated, method), [f"{ROOT}/{path}" for path in paths], arguments)
        if isinstance(real, OSError) or isinstance(simulated, OSError):
            assert isinstance(real, OSError), (method, paths, simulated)
            assert isinstance(simulated, OSError), (method, paths, real)
            assert (type(real), real.errno) == (type(simulated), simulated.errno), (method, paths)
            return None
        return real, simulated

    def on_file(self, method: str, index: int, *arguments: Any) -> tuple[Any, Any] | None:
        real, simulated = self.opened[index % len(self.opened)]
        results = (
            _result(getattr(self.real, method), [real], arguments),
            _result(getattr(self.simulated, method), [simulated], arguments),
        )
        if any(isinstance(result, OSError) for result in results):
            assert {getattr(result, "errno", None) for result in results} == {results[0].errno}, (method, results)
            return None
        return results

    @rule(name=NAMES, flags=FLAGS)
    def open(self, name: str, flags: int) -> None:
        if Path(self.directory, name).is_dir():
            return
        opened = self.both("open", name, arguments=(flags,))
        if opened is not None:
            self.opened.append(opened)

    @rule(index=st.integers(0, 9), offset=OFFSETS, length=LENGTHS)
    def write(self, index: int, offset: int, length: int) -> None:
        if self.opened:
            data = bytes([offset % 251 + 1]) * length
            _check_equal(self.on_file("pwritev", index, [data[: length // 2], data[length // 2 :]], offset))

    @rule(index=st.integers(0, 9), offset=OFFSETS, length=LENGTHS)
    def read(self, index: int, offset: int, length: int) -> None:
        if self.opened:
            real, simulated = bytearray(length), bytearray(length)
            fds = self.opened[index % len(self.opened)]
            results = (
                _result(self.real.preadv, [fds[0]], ([real], offset)),
                _result(self.simulated.preadv, [fds[1]], ([simulated], offset)),
            )
            if isinstance(results[0], OSError):
                assert results[0].errno == getattr(results[1], "errno", None)
            else:
                assert results[0] == results[1]
                assert real == simulated

    @rule(index=st.integers(0, 9), length=OFFSETS)
    def truncate(self, index: int, length: int) -> None:
        if self.opened:
            self.on_file("truncate", index, length)

    @rule(index=st.integers(0, 9), offset=OFFSETS, length=st.integers(1, 2000))
    def allocate(self, index: int, offset: int, length: int) -> None:
        if self.opened:
            self.on_file("allocate", index, offset, length)

    @rule(index=st.integers(0, 9))
    def sync(self, index: int) -> None:
        if self.opened:
            self.on_file("datasync", index)

    @rule(index=st.integers(0, 9))
    def size(self, index: int) -> None:
        if self.opened:
            _check_equal(self.on_file("size", index))

    @rule(index=st.integers(0, 9))
    def close(self, index: int) -> None:
        if self.opened:
            real, simulated = self.opened.pop(index % len(self.opened))
            self.real.close(real)
            self.simulated.close(simulated)

    @rule(name=NAMES)
    def mkdir(self, name: str) -> None:
        self.both("mkdir", name)

    @rule(name=NAMES)
    def rmdir(self, name: str) -> None:
        self.both("rmdir", name)

    @rule(name=NAMES)
    def unlink(self, name: str) -> None:
        self.both("unlink", name)

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        self.both("rename", old, new)

    @rule(name=NAMES)
    def stat(self, name: str) -> None:
        found = self.both("stat", name)
        if found is not None:
            real, simulated = found
            assert real.is_directory == simulated.is_directory
            assert real.is_directory or real.size == simulated.size

    @rule(name=NAMES)
    def exists(self, name: str) -> None:
        _check_equal(self.both("exists", name))

    @invariant()
    def directories_list_alike(self) -> None:
        for name in ("", "d", "e"):
            found = self.both("listdir", name)
            assert found is None or sorted(found[0]) == sorted(found[1])


def _result(method: Any, first: list[Any], arguments: tuple[Any, ...]) -> Any:
    try:
        return method(*first, *arguments)
    except OSError as error:
        return error


def _check_equal(results: tuple[Any, Any] | None) -> None:
    assert results is None or results[0] == results[1]


TestTwoFileSystems = TwoFileSystems.TestCase
TestTwoFileSystems.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
