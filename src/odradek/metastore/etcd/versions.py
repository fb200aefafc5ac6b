"""Which versions of etcd the metadata may be entrusted to."""

import re

from odradek.metastore.etcd.errors import StoreRefuses

OLDEST = (3, 4, 23)
CORRUPTING = ((3, 5, 0), (3, 5, 2))
"""First and last that can lose the consistency of their members after a crash."""
ADVICE = "use 3.5.28 or newer, or 3.6"


def check_version(version: str, address: str) -> None:
    """Raises StoreRefuses. A member that does not tell its version is taken as it is."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        return
    numbers = tuple(int(number) for number in found.groups())
    if numbers < OLDEST:
        raise StoreRefuses(f"etcd at {address} has version {version}, which is too old: {ADVICE}")
    if CORRUPTING[0] <= numbers <= CORRUPTING[1]:
        raise StoreRefuses(f"etcd at {address} has version {version}, which can corrupt its data: {ADVICE}")
