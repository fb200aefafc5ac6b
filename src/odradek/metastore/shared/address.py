"""Where the socket is, also where its path is longer than the address of a Unix socket can be."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

SOCKET_NAME = "metadata.sock"
PATH_BYTES_MAX = 100
"""The kernel takes 107 on Linux, 103 on macOS."""


@contextmanager
def short_path(path: str) -> Iterator[str]:
    """A name of the socket, valid inside of the block, by which it can be bound or connected to.

    A long path is entered by a descriptor of its directory, which needs Linux's /proc. Raises OSError.
    """
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield path
        return
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
