"""What is shipped works where nothing of the checkout is: an empty environment with just the wheel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

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


@pytest.mark.timeout(400)
def test_the_built_wheel_produces_and_consumes_in_an_empty_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("odradek-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    binaries = tmp_path / "venv" / "bin"
    pins = tmp_path / "pins.txt"
    locked = (ROOT / "requirements.lock").read_text().splitlines()
    pins.write_text("\n".join(line.split(" \\")[0] for line in locked if "==" in line and not line.startswith(" ")))
    run(binaries / "pip", "install", "--quiet", "--constraint", pins, wheel, cwd=tmp_path)
    assert "produced and consumed 100" in run(binaries / "python", "-c", ROUND_TRIP, cwd=tmp_path)
    assert "odradek" in run(binaries / "odradek", "--version", cwd=tmp_path)
