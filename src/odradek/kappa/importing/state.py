"""How far an import is, in a file: enough to find out after a kill what the topic has of it already."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from odradek.kappa.importing.errors import ImportingError


class Reached(Struct, frozen=True):
    """Of one partition: below `offset` it has of the import what has sequence numbers up to `sequence`, and no more."""

    offset: int
    sequence: int = -1


class ImportState(Struct, frozen=True):
    """`rows` is None until all is sent, then how many they were."""

    cluster_id: str
    topic_id: str
    fingerprint: str
    reached: dict[int, Reached]
    rows: int | None = None


def read_state(path: Path) -> ImportState | None:
    """None where there is none. Raises ImportingError for a file that is no state."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ImportState)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ImportingError(f"{path} cannot be read ({error}): remove it to begin anew") from error


def write_state(path: Path, state: ImportState) -> None:
    """All of it or nothing, on disk when it returns."""
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time. Raises ImportingError while another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ImportingError("the same import is running already") from error
        yield
