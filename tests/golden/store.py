"""The stored bytes: a file for each API, a line for each version: its name and the bytes in hexadecimal."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.golden.case import Golden
from tests.golden.frames import request_bytes

REQUESTS = Path(__file__).parent / "requests"


@cache
def stored(api: str) -> dict[str, bytes]:
    """Requests by name; empty for an API that has none."""
    file = REQUESTS / f"{api}.txt"
    lines = file.read_text().splitlines() if file.exists() else []
    return {name: bytes.fromhex(content) for name, content in (line.split(" ", 1) for line in lines)}


def stored_names() -> set[str]:
    return {name for file in REQUESTS.glob("*.txt") for name in stored(file.stem)}


def write_all(goldens: Iterable[Golden]) -> None:
    """Replaces everything that is stored."""
    lines: dict[str, list[str]] = {}
    for golden in goldens:
        lines.setdefault(golden.case.api, []).append(f"{golden.name} {request_bytes(golden).hex()}\n")
    REQUESTS.mkdir(exist_ok=True)
    for file in REQUESTS.glob("*.txt"):
        file.unlink()
    for api, of_api in lines.items():
        (REQUESTS / f"{api}.txt").write_text("".join(of_api))
