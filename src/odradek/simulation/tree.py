"""Directories, and the journal of changes to them that a power loss may undo.

Each change (create, rename, unlink ...) touches one or two entries and is kept or lost as a whole. Changes to one
entry are kept in order; between different entries there is none. `sync` of a directory stores the changes to its
entries, with all they rest on.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from odradek.simulation.inode import FileInode


@dataclass(slots=True, eq=False)
class DirectoryInode:
    """`durable` holds the entries a power loss leaves for sure."""

    number: int
    modified_ms: int = 0
    entries: "dict[str, Inode]" = field(default_factory=dict)
    durable: "dict[str, Inode]" = field(default_factory=dict)


Inode = FileInode | DirectoryInode


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a directory, and what it is after a change (None: nothing)."""

    directory: DirectoryInode
    name: str
    inode: Inode | None

    @property
    def key(self) -> tuple[int, str]:
        return self.directory.number, self.name


Change = tuple[Entry, ...]


class Tree:
    """The name space of one volume."""

    def __init__(self) -> None:
        self.inodes_made = 0
        self.root = DirectoryInode(self.next_number())
        self._journal: list[Change] = []

    def next_number(self) -> int:
        self.inodes_made += 1
        return self.inodes_made

    def find(self, path: str) -> Inode:
        """Raises FileNotFoundError, NotADirectoryError."""
        inode: Inode = self.root
        for name in _names(path):
            if not isinstance(inode, DirectoryInode):
                raise NotADirectoryError(20, "Not a directory", path)
            if name not in inode.entries:
                raise FileNotFoundError(2, "No such file or directory", path)
            inode = inode.entries[name]
        return inode

    def parent(self, path: str) -> tuple[DirectoryInode, str]:
        """The directory a path's last name is in, and that name; the name itself need not exist."""
        *names, last = _names(path)
        directory = self.find("/" + "/".join(names))
        if not isinstance(directory, DirectoryInode):
            raise NotADirectoryError(20, "Not a directory", path)
        return directory, last

    def change(self, *entries: Entry) -> None:
        """Apply a change for programs to see, and note it for the platter."""
        for entry in entries:
            _apply(entry, entry.directory.entries)
        self._journal.append(entries)

    def sync(self, directory: DirectoryInode) -> None:
        """Store every change to the directory's entries, and the earlier changes those rest on."""
        wanted: dict[tuple[int, str], None] = {}
        kept: list[Change] = []
        for change in reversed(self._journal):
            if any(entry.directory is directory or entry.key in wanted for entry in change):
                wanted.update((entry.key, None) for entry in change)
                kept.append(change)
        self._store(kept[::-1])

    def lose_power(self, chance: random.Random) -> None:
        """Keep a drawn subset of the changes; programs then see what the platter has."""
        eagerness = chance.choice((0.0, 0.3, 0.7, 0.9, 1.0))
        lost: dict[tuple[int, str], None] = {}
        kept = []
        for change in self._journal:
            if any(entry.key in lost for entry in change) or chance.random() >= eagerness:
                lost.update((entry.key, None) for entry in change)
            else:
                kept.append(change)
        self._store(kept)
        self._journal.clear()
        for directory in list(_directories(self.root)):
            directory.entries = dict(directory.durable)

    def store_all(self) -> None:
        """Every change is on the platter."""
        self._store(list(self._journal))

    def files(self) -> Iterator[FileInode]:
        """Every file with a name, or a name that a power loss would bring back."""
        seen: dict[int, None] = {}
        for directory in _directories(self.root):
            for inode in (*directory.entries.values(), *directory.durable.values()):
                if isinstance(inode, FileInode) and inode.number not in seen:
                    seen[inode.number] = None
                    yield inode

    def _store(self, changes: list[Change]) -> None:
        for change in changes:
            for entry in change:
                _apply(entry, entry.directory.durable)
        stored = {id(change): None for change in changes}
        self._journal = [change for change in self._journal if id(change) not in stored]


def _apply(entry: Entry, entries: dict[str, Inode]) -> None:
    if entry.inode is None:
        entries.pop(entry.name, None)
    else:
        entries[entry.name] = entry.inode


def _directories(root: DirectoryInode) -> Iterator[DirectoryInode]:
    """All directories reachable by what programs see or by what the platter has."""
    waiting, seen = [root], {root.number: None}
    while waiting:
        directory = waiting.pop()
        yield directory
        for inode in (*directory.entries.values(), *directory.durable.values()):
            if isinstance(inode, DirectoryInode) and inode.number not in seen:
                seen[inode.number] = None
                waiting.append(inode)


def _names(path: str) -> list[str]:
    if not path.startswith("/"):
        raise ValueError(f"paths are absolute: {path!r}")
    return [name for name in path.split("/") if name]
