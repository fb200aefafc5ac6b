"""`.odradek-life`: which process began here, so that the next one can prove that nothing was lost since.

The process that died may have registered with the cluster in an epoch it had no time to write down. So it leaves its
name before it registers; the registration carries the same name. Whoever finds the name of the registered process here,
on the kernel it ran on and without an I/O error since, has everything that process had. An older copy of the disk has
another name, or none.
"""

import contextlib
import json
from typing import NamedTuple

from odradek.host.files import FileSystem, read_file, write_atomically

LIFE = ".odradek-life"


class Proof(NamedTuple):
    """Nothing was lost since a process stopped in good order in `epoch` (-1: none did, KIP-966), or since the process
    named `incarnation` registered (empty: unknown)."""

    epoch: int = -1
    incarnation: str = ""


NO_PROOF = Proof()


def read(files: FileSystem, directory: str, boot_id: str) -> str:
    """The name of the last process, empty when it ran on another kernel or left none. Raises OSError."""
    try:
        found = json.loads(read_file(files, f"{directory}/{LIFE}"))
        return str(found["incarnation"]) if boot_id and found["boot"] == boot_id else ""
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def begin(files: FileSystem, directory: str, boot_id: str, incarnation: str) -> None:
    """Durable on return. Raises OSError."""
    write_atomically(files, f"{directory}/{LIFE}", json.dumps({"boot": boot_id, "incarnation": incarnation}).encode())


def distrust(files: FileSystem, directory: str) -> None:
    """After an I/O error nothing is proven any more. Not durable yet. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        files.unlink(f"{directory}/{LIFE}")
