"""A broker under siege for each module."""

import resource
from collections.abc import Iterator

import pytest

from tests.attack.siege import Siege


@pytest.fixture(scope="session", autouse=True)
def many_descriptors() -> Iterator[None]:
    """A thousand connections need more than the usual 1,024 descriptors at this end, too; the broker inherits them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    with Siege() as besieged:
        yield besieged
