"""What is shipped works where nothing of the checkout is: just the wheel, in an empty environment of each Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPPORTED = ("3.11", "3.12", "3.13")

ROUND_TRIP = """
from confluent_kafka import Consumer, Producer
from odradek.testing import BrokerProcess
import odradek, sys

assert sys.prefix in odradek.__file__, odradek.__file__
with BrokerProcess() as broker:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "acks": "all"})
    for number in range(100):
        producer.produce("shipped", value=b"%d" % number, partition=0)
    assert producer.flush(30) == 0
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["shipped"])
    values = []
    while len(values) < 100:
        messages = consumer.consume(100, timeout=30)
        assert messages, "nothing arrived"
        values += [message.value() for message in messages]
    consumer.close()
assert values == [b"%d" % number for number in range(100)], values
print("produced and consumed", len(values))
"""


def run(*command: str | Path, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def interpreters() -> dict[str, str]:
    """Every supported Python of this machine, by version: the one that runs the tests, those on PATH and pyenv's."""
    found = {running(sys.executable): sys.executable}
    for version in SUPPORTED:
        installed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob(f"versions/{version}.*/bin/python3")
        for candidate in (shutil.which(f"python{version}"), *map(str, sorted(installed))):
            if candidate is not None and running(candidate) == version:
                found.setdefault(version, candidate)
    return found


def running(interpreter: str) -> str:
    """Its version; empty when it does not start or cannot make environments."""
    code = "import ensurepip, venv, sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([interpreter, "-c", code], capture_output=True, text=True).stdout.strip()


INTERPRETERS = interpreters()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", directory, ROOT, cwd=directory)
    (built,) = directory.glob("odradek-*.whl")
    return built


@pytest.mark.timeout(400)
@pytest.mark.parametrize("interpreter", [*INTERPRETERS.values()], ids=INTERPRETERS.keys())
def test_the_built_wheel_produces_and_consumes_in_an_empty_environment(
    tmp_path: Path, wheel: Path, interpreter: str
) -> None:
    run(interpreter, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    binaries = tmp_path / "venv" / "bin"
    pins = tmp_path / "pins.txt"
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    pins.write_text("\n".join(line.split(" \\")[0] for line in locked if "==" in line and not line.startswith(" ")))
    run(binaries / "pip", "install", "--quiet", "--constraint", pins, wheel, cwd=tmp_path)
    assert "produced and consumed 100" in run(binaries / "python", "-c", ROUND_TRIP, cwd=tmp_path)
    assert "odradek" in run(binaries / "odradek", "--version", cwd=tmp_path)
