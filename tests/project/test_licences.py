"""Every package in the lock file has a licence that Odradek may build on."""

import importlib.metadata
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = re.compile(r"\b(MIT|BSD|Apache|ISC|PSF|MPL|Mozilla Public|CC0)\b", re.IGNORECASE)
LGPL_AS_ITS_OWN_PACKAGE = {"crc32c"}
"""Allowed because it is installed unmodified as a package of its own and only called."""

LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;]+)( ;.*)?", re.MULTILINE)


def locked_packages() -> list[str]:
    """Names pinned for this platform (a marker such as `os_name == 'nt'` excludes a package)."""
    lines = LOCKED.findall((ROOT / "requirements.lock").read_text())
    elsewhere = ("win32", "'nt'", "== 'emscripten'")
    return [name for name, _, marker in lines if not any(each in marker for each in elsewhere)]


def licence_of(package: str) -> str:
    metadata = importlib.metadata.metadata(package)
    classifiers = [c for c in metadata.get_all("Classifier") or [] if c.startswith("License ::")]
    fields = [metadata[name] for name in ("License-Expression", "License") if name in metadata]
    return " | ".join(field.splitlines()[0] for field in [*fields, *classifiers] if field)


def test_the_lock_file_is_read() -> None:
    assert {"kio", "uvloop", "crc32c", "pytest"} <= set(locked_packages())


@pytest.mark.parametrize("package", locked_packages())
def test_every_locked_package_has_an_allowed_licence(package: str) -> None:
    licence = licence_of(package)
    if package in LGPL_AS_ITS_OWN_PACKAGE:
        assert "LGPL" in licence
    else:
        assert ALLOWED.search(licence), f"{package}: {licence}"
        assert "GPL" not in licence, f"{package}: {licence}"
