"""The last revision of the metadata store, kept beside the data it describes and not in the store itself.

A store that is behind its witness was restored from an older backup: topics, leader epochs and producer ids given
since are unknown to it. The witness may itself be some revisions behind after a crash, never ahead.
"""

import asyncio
import logging
from collections.abc import Sequence

from odradek.host.files import FileSystem, read_file, write_atomically
from odradek.metastore.store import Revision

logger = logging.getLogger(__name__)

FILE_NAME = ".odradek-metadata-revision"


class Witness:
    """One small file in each directory. Writes run in the loop's executor, at most one at a time."""

    def __init__(self, files: FileSystem, directories: Sequence[str]) -> None:
        self._files = files
        self._paths = tuple(f"{directory.rstrip('/')}/{FILE_NAME}" for directory in directories)
        self._latest: Revision = 0
        self._written: Revision = 0
        self._writing: asyncio.Future[None] | None = None

    def read(self) -> Revision:
        """The highest revision any of the files names, 0 without one. Blocks."""
        return max((self._read(path) for path in self._paths), default=0)

    def note(self, revision: Revision) -> None:
        """The store is durably at this revision; remembered soon."""
        self._latest = max(self._latest, revision)
        if self._writing is None and self._latest > self._written:
            revision = self._written = self._latest
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(None, _write, self._files, self._paths, revision)
            self._writing.add_done_callback(self._go_on)

    async def settled(self) -> None:
        """Returns once everything noted has been written, or could not be."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def _go_on(self, _: "asyncio.Future[None]") -> None:
        self._writing = None
        self.note(self._latest)

    def _read(self, path: str) -> Revision:
        try:
            content = read_file(self._files, path)
        except OSError:
            return 0
        if content.strip().isdigit():
            return int(content)
        logger.warning("%s is damaged and not used", path)
        return 0


def _write(files: FileSystem, paths: tuple[str, ...], revision: Revision) -> None:
    """One of several log directories may be gone, which is said elsewhere; the others remember."""
    problems = [error for path in paths if (error := _try(files, path, revision)) is not None]
    if len(problems) == len(paths) > 0:
        logger.warning("%s cannot be written: %s", paths[0], problems[0].strerror)


def _try(files: FileSystem, path: str, revision: Revision) -> OSError | None:
    try:
        write_atomically(files, path, b"%d\n" % revision)
    except OSError as error:
        return error
    return None
