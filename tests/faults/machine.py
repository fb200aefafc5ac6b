"""What these tests do to the machine: small file systems, other users, namespaces."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from odradek.testing import BrokerProcess
from tests.support.not_run import not_run

FILL_BYTES = 64 << 10


class SmallDisk:
    """A tmpfs of its own. `fill` leaves not a byte free, `free` gives the space back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Also what a writer has released since the last call."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (FILL_BYTES, 4096, 1):
                self._write_until_full(file.fileno(), bytes(size))

    def _write_until_full(self, descriptor: int, content: bytes) -> None:
        try:
            while os.write(descriptor, content):
                pass
        except OSError:
            return

    def free(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(size_mib: int) -> Iterator[SmallDisk]:
    """A mounted tmpfs; the test is not run where mounting is refused."""
    path = Path(tempfile.mkdtemp(prefix="odradek-disk-"))
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(path))
    if mounted.returncode:
        path.rmdir()
        not_run(f"mounting a tmpfs was refused: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", "-l", str(path))
        shutil.rmtree(path, ignore_errors=True)


def require_root() -> None:
    if os.geteuid() != 0:
        not_run("it needs root to become another user or to mount")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


class WrappedBroker(BrokerProcess):
    """A broker whose command is started by another one, such as setpriv or unshare, that ends in exec."""

    def __init__(
        self,
        wrapper: Sequence[str],
        data_dir: Path | None,
        settings: Mapping[str, str | int | bool] | None = None,
        *,
        listen: str = "127.0.0.1:0",
        arguments: Sequence[str] = (),
        timeout_s: float = 30.0,
    ) -> None:
        super().__init__(data_dir=data_dir, settings=settings, arguments=arguments, timeout_s=timeout_s)
        self._listen = listen
        self._wrapper = list(wrapper)

    def _command(self) -> list[str]:
        return [*self._wrapper, *super()._command()]
