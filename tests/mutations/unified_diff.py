"""Applies unified diffs, with every context line exact and no guessing; needs no `patch` on the machine.

A hunk may have moved within its file, as long as the lines it expects are there exactly once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")


class DoesNotApplyError(Exception):
    """The text a hunk expects is not there, or there more than once."""


@dataclass
class Hunk:
    """`line` counts from 1."""

    line: int
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


def apply(patch: str, root: Path) -> None:
    """Change the files under `root` that the patch names. Raises DoesNotApplyError, having changed nothing."""
    changed: dict[Path, list[str]] = {}
    for name, hunk in parse(patch):
        path = root / name
        if path not in changed:
            if not path.is_file():
                raise DoesNotApplyError(f"there is no {name}")
            changed[path] = path.read_text().splitlines()
        lines = changed[path]
        start = _find(lines, hunk, name)
        lines[start : start + len(hunk.old)] = hunk.new
    if not changed:
        raise DoesNotApplyError("the patch holds no hunk")
    for path, lines in changed.items():
        path.write_text("\n".join(lines) + "\n")


def parse(patch: str) -> Iterator[tuple[str, Hunk]]:
    """(file name, hunk) in order. What stands before the first `---` is commentary."""
    name, hunk = "", None
    for line in patch.splitlines():
        if line.startswith("+++ "):
            if hunk is not None:
                yield name, hunk
            name, hunk = line[4:].split("\t")[0].removeprefix("b/"), None
        elif line.startswith("--- "):
            continue
        elif (found := HUNK.match(line)) is not None:
            if hunk is not None:
                yield name, hunk
            hunk = Hunk(int(found[1]))
        elif hunk is not None:
            _add(hunk, line)
    if hunk is not None:
        yield name, hunk


def _add(hunk: Hunk, line: str) -> None:
    kind, text = line[:1] or " ", line[1:]
    if kind not in " -+":
        raise DoesNotApplyError(f"not a line of a hunk: {line!r}")
    if kind in " -":
        hunk.old.append(text)
    if kind in " +":
        hunk.new.append(text)


def _find(lines: list[str], hunk: Hunk, name: str) -> int:
    size = len(hunk.old)
    if lines[hunk.line - 1 : hunk.line - 1 + size] == hunk.old:
        return hunk.line - 1
    places = [start for start in range(len(lines) - size + 1) if lines[start : start + size] == hunk.old]
    if len(places) != 1:
        raise DoesNotApplyError(f"{name}: what the hunk for line {hunk.line} expects is there {len(places)} times")
    return places[0]
