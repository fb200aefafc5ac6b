"""A broker under siege for each module."""

from collections.abc import Iterator

import pytest

from tests.attack.siege import Siege


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    with Siege() as besieged:
        yield besieged
