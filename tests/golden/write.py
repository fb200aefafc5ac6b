"""`python -m tests.golden.write` stores the requests of all cases; the differences are for a reviewer to see."""

from tests.golden.cases import GOLDENS
from tests.golden.store import write_all

if __name__ == "__main__":
    write_all(GOLDENS)
    print(f"stored {len(GOLDENS)} requests")
