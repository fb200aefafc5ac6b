"""One machine's disk: files, their cache, faults and crashes.

A process sees it through `mount()`. The disk outlives processes; `crash` says what they leave behind.
"""

import errno
import fnmatch
import os
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

from odradek.simulation.errors import SimulatedCrash
from odradek.simulation.files import SimulatedFiles
from odradek.simulation.inode import SECTOR_BYTES, FileInode
from odradek.simulation.trace import Trace
from odradek.simulation.tree import DirectoryInode, Entry, Tree

CrashKind = Literal["process", "power"]
BLOCK_BYTES = 4096
OPERATIONS_KEPT = 500


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of I/O that changes something: its number from 1, what it was and on which path."""

    step: int
    name: str
    path: str
    detail: str = ""


@dataclass(slots=True)
class Fault:
    """Answer an operation on paths that match with an error, `times` times (None: for ever) after `skip` successes."""

    operation: str
    pattern: str
    error: int
    times: int | None
    skip: int

    def strikes(self, operation: str, path: str) -> bool:
        if self.operation != operation or self.times == 0 or not fnmatch.fnmatch(path, self.pattern):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Disk:
    """`capacity_bytes` None: never full. `nowait_miss` is the chance that a NOWAIT read finds nothing in the cache."""

    def __init__(
        self,
        chance: random.Random,
        *,
        name: str = "disk",
        capacity_bytes: int | None = None,
        now_ms: Callable[[], int] = lambda: 0,
        trace: Trace | None = None,
        nowait_miss: float = 0.1,
        background_writeback: float = 0.02,
    ) -> None:
        self.chance, self.name, self.capacity_bytes = chance, name, capacity_bytes
        self.now_ms, self.trace = now_ms, trace or Trace(keep=0)
        self.nowait_miss, self.background_writeback = nowait_miss, background_writeback
        self.tree = Tree()
        self.steps = 0
        self.operations: deque[Operation] = deque(maxlen=OPERATIONS_KEPT)
        self.on_crash: Callable[[CrashKind], None] = self.crash
        self._faults: list[Fault] = []
        self._steps_awaited: dict[int, Callable[[Operation], None]] = {}
        self._crash_plan: tuple[int, CrashKind] | None = None
        self._crash_target: tuple[Fault, CrashKind] | None = None
        self._mounts: list[SimulatedFiles] = []

    def mount(self, pause: Callable[[], None] | None = None, descriptors_max: int = 1024) -> SimulatedFiles:
        """A new process's view: its own descriptors and locks. `pause` is called before each operation."""
        files = SimulatedFiles(self, pause or (lambda: None), descriptors_max)
        self._mounts.append(files)
        return files

    # Faults

    def crash(self, kind: CrashKind) -> None:
        """Every process on this disk is gone; with kind "power", so is what never reached the platter."""
        for files in self._mounts:
            files.kill()
        self._mounts.clear()
        self.trace.add(f"{self.name} crash {kind}")
        if kind == "power":
            for inode in list(self.tree.files()):
                inode.lose_power(self.chance)
            self.tree.lose_power(self.chance)

    def crash_at(self, step: int, kind: CrashKind) -> None:
        """Crash at I/O step `step` (counted by `steps` from 1): before it, after it, or in the middle of a write."""
        self._crash_plan = (step, kind)
        self._crash_target = None

    def crash_on(self, operation: str, pattern: str, kind: CrashKind, *, skip: int = 0) -> None:
        """As `crash_at`, at such an operation on a path that matches, after `skip` of them. Replaces the other plan."""
        self._crash_plan, self._crash_target = None, (Fault(operation, pattern, 0, 1, skip), kind)

    def at_step(self, step: int, act: Callable[[Operation], None]) -> None:
        """Call `act` when I/O step `step` is about to happen; the OSError it may raise is what the step ends with."""
        self._steps_awaited[step] = act

    def fail(
        self, operation: str, pattern: str = "*", *, error: int = errno.EIO, times: int | None = 1, skip: int = 0
    ) -> Fault:
        """Let a method of FileSystem fail on matching paths; returns the fault, whose `times` may be set to 0."""
        fault = Fault(operation, pattern, error, times, skip)
        self._faults.append(fault)
        return fault

    def damage(self, path: str, offset: int, length: int) -> None:
        """Flip bits of stored bytes."""
        self._file(path).damage(offset, length, self.chance)

    def make_unreadable(self, path: str, offset: int) -> None:
        """Reads that touch the sector at `offset` fail with EIO."""
        self._file(path).bad_sectors[offset // SECTOR_BYTES] = None

    # For tests

    def settle(self) -> None:
        """Everything written so far is on the platter."""
        for inode in self.tree.files():
            inode.settle_all()
        self.tree.store_all()

    def make_directories(self, path: str) -> None:
        """Make a directory and its parents, durably, outside of the counted steps."""
        directory = self.tree.root
        for name in path.strip("/").split("/"):
            if name not in directory.entries:
                self.tree.change(Entry(directory, name, DirectoryInode(self.tree.next_number())))
            found = directory.entries[name]
            assert isinstance(found, DirectoryInode)
            directory = found
        self.tree.store_all()

    # For the mounts

    def begin(self, name: str, path: str, detail: str = "", data: bytes = b"") -> CrashKind | None:
        """Count a step that changes something; the kind of crash when one is planned here. Raises the fault's error."""
        self.steps += 1
        operation = Operation(self.steps, name, path, detail)
        self.operations.append(operation)
        self.trace.add(f"{self.name} {self.steps} {name} {path} {detail} {crc32(data):08x}")
        if (act := self._steps_awaited.pop(self.steps, None)) is not None:
            act(operation)
        self._strike(name, path)
        if self._crash_plan is not None and self.steps >= self._crash_plan[0]:
            kind, self._crash_plan = self._crash_plan[1], None
            return kind
        if self._crash_target is not None and self._crash_target[0].strikes(name, path):
            kind, self._crash_target = self._crash_target[1], None
            return kind
        return None

    def begin_read(self, name: str, path: str) -> None:
        """Raises the error of a fault set for a reading operation."""
        self._strike(name, path)

    def die(self, kind: CrashKind) -> None:
        self.on_crash(kind)
        raise SimulatedCrash(f"{self.name}: {kind} crash at I/O step {self.steps}")

    def writable_bytes(self, inode: FileInode, end: int) -> int:
        """The length `inode` may have when a write would make it `end` bytes long."""
        if self.capacity_bytes is None:
            return end
        others = self.used_bytes - _blocks(inode.size)
        return max(inode.size, min(end, self.capacity_bytes - others))

    @property
    def used_bytes(self) -> int:
        inodes = {inode.number: inode for inode in self.tree.files()}
        for files in self._mounts:
            inodes.update((inode.number, inode) for inode in files.open_inodes())
        return sum(_blocks(inode.size) for inode in inodes.values())

    def write_back_sometimes(self, inode: FileInode) -> None:
        if self.chance.random() < self.background_writeback:
            inode.write_back_some(self.chance)

    def _strike(self, name: str, path: str) -> None:
        for fault in self._faults:
            if fault.strikes(name, path):
                raise OSError(fault.error, os.strerror(fault.error), path)

    def _file(self, path: str) -> FileInode:
        inode = self.tree.find(path)
        if not isinstance(inode, FileInode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return inode


def _blocks(size: int) -> int:
    return -(-size // BLOCK_BYTES) * BLOCK_BYTES
