"""The programs of this directory in Java and Go, compiled into `.peers/` when their source is newer."""

import shutil
import subprocess
from pathlib import Path

from peers import PEERS_DIRECTORY, go, javac, kafka_classpath

HERE = Path(__file__).parent
BUILD_TIMEOUT_S = 600


def java_classes() -> Path:
    """The directory with the classes of `interop/java`."""
    target = PEERS_DIRECTORY / "interop-java"
    sources = sorted((HERE / "java").glob("*.java"))
    if _is_older(target, sources):
        partial = _partial(target)
        command = [javac(), "-nowarn", "-proc:none", "-cp", kafka_classpath(), "-d", str(partial), *map(str, sources)]
        subprocess.run(command, check=True, timeout=BUILD_TIMEOUT_S)
        _replace(target, partial)
    return target


def go_program(name: str) -> Path:
    """The program of `interop/go/<name>`; Go fetches the modules that go.sum names."""
    target = PEERS_DIRECTORY / "interop-go"
    sources = sorted(path for path in (HERE / "go").rglob("*") if path.is_file())
    if _is_older(target, sources):
        partial = _partial(target)
        command = [go(), "build", "-mod=readonly", "-o", f"{partial}/", "./..."]
        subprocess.run(command, check=True, timeout=BUILD_TIMEOUT_S, cwd=HERE / "go")
        _replace(target, partial)
    return target / name


def _is_older(target: Path, sources: list[Path]) -> bool:
    return not target.exists() or target.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def _partial(target: Path) -> Path:
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def _replace(target: Path, partial: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    target.touch()
