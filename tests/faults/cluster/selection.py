"""Which tests of clusters run always, and which only where time is given."""

import os

import pytest

takes_long = pytest.mark.skipif(
    os.environ.get("ODRADEK_TEST_CLUSTER") != "1", reason="takes long: ODRADEK_TEST_CLUSTER=1 or make soak runs it"
)
