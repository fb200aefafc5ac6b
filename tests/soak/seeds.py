"""The next seed nobody has tried on this machine: a counter in a file; every soak begins where the last ended."""

from pathlib import Path

COUNTER = Path(".soak") / "next-seed"
FIRST = 1000
"""Below are the seeds of CI."""


class Seeds:
    """Hands out ranges of seeds; what was handed out is on disk before it is used."""

    def __init__(self, path: Path = COUNTER) -> None:
        self._path = path

    def take(self, count: int = 1) -> int:
        """The first of `count` new seeds."""
        first = int(self._path.read_text()) if self._path.exists() else FIRST
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{first + count}\n")
        return first
