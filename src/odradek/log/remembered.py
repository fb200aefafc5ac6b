"""`.odradek-history`: what the broker has seen of the history of its metadata store (`cluster.history`)."""

import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from odradek.host.files import FileSystem, read_file, write_atomically

HISTORY = ".odradek-history"


class Remembered(NamedTuple):
    """`token` was the newest in the store at that revision, when the broker's own epoch was that one.

    Empty when nothing was ever seen.
    """

    token: str = ""
    revision: int = 0
    broker_epoch: int = -1


NOTHING_REMEMBERED = Remembered()


def read(files: FileSystem, directory: str) -> Remembered:
    """Nothing where there is none, or a damaged one. Raises OSError."""
    try:
        token, revision, epoch = read_file(files, f"{directory}/{HISTORY}").decode("ascii").split()
        return Remembered(token, int(revision), int(epoch))
    except (FileNotFoundError, ValueError):
        return Remembered()


def write_all(files: FileSystem, directories: Iterable[str], remembered: Remembered) -> None:
    """Durable on return, in those that can be written: what is wrong with the others is found out elsewhere."""
    content = " ".join(map(str, remembered)) + "\n"
    for directory in directories:
        with contextlib.suppress(OSError):
            write_atomically(files, f"{directory}/{HISTORY}", content.encode())
