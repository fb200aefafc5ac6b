"""Rules about the source tree that no linter knows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "odradek"
BROKER_PACKAGES = ("broker", "groups", "replication", "cluster", "log", "wire")
"""Code that also runs on the simulated loop: it asks its Host, never the machine."""

FORBIDDEN_CALLS = {
    "time.time", "time.time_ns", "time.monotonic", "time.sleep", "uuid.uuid4", "os.urandom", "os.open", "os.rename",
    "os.replace", "os.unlink", "os.fsync", "os.fdatasync", "random.random", "random.randrange", "random.choice",
    "random.Random", "threading.Thread", "open",
}  # fmt: skip
COMPOSITION_ROOT = {"broker/server.py", "broker/machine.py"}
"""Where a real host is put together."""


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def broker_files() -> list[Path]:
    found = [path for package in BROKER_PACKAGES for path in sorted((SOURCE / package).rglob("*.py"))]
    return [path for path in found if str(path.relative_to(SOURCE)) not in COMPOSITION_ROOT]


@pytest.mark.parametrize("path", broker_files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_broker_code_asks_its_host_and_never_the_machine(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    offending = [f"line {call.lineno}: {dotted(call.func)}" for call in calls if dotted(call.func) in FORBIDDEN_CALLS]
    assert not offending


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_source_files_stay_small_enough_to_find_a_way_in(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 600


@pytest.mark.parametrize(
    "package", sorted(p for p in SOURCE.iterdir() if (p / "__init__.py").exists()), ids=lambda p: p.name
)
def test_each_package_says_what_it_owns(package: Path) -> None:
    assert ast.get_docstring(ast.parse((package / "__init__.py").read_text())), f"{package.name} has no docstring"
