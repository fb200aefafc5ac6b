"""The versions `make lowest` tests with are those pyproject.toml allows."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_lowest_lock_pins_every_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    bounds = [*project["dependencies"], *extras["etcd"], *extras["kappa"]]
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements-lowest.lock").read_text(), re.M))
    for bound in bounds:
        name, version = re.sub(r"\[.*\]", "", bound).split(">=")
        assert re.sub(r"(\.0)+$", "", pins[name]) == re.sub(r"(\.0)+$", "", version), bound
