"""Items that are fetched while others are worked on."""

import threading
from collections.abc import Iterator

import pytest

from odradek.kappa.client import ahead


def test_the_items_are_the_same_and_in_their_order() -> None:
    assert list(ahead(iter(range(1, 100)))) == list(range(1, 100))
    assert list(ahead(iter([]))) == []


def test_the_next_one_is_fetched_while_this_one_is_worked_on() -> None:
    begun = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        begun.set()
        yield 2

    fetched = ahead(items())
    assert next(fetched) == 1
    assert begun.wait(30)
    assert list(fetched) == [2]


def test_no_more_than_one_is_ahead() -> None:
    taken = list[int]()

    def items() -> Iterator[int]:
        for each in range(1, 10):
            taken.append(each)
            yield each

    fetched = ahead(items())
    next(fetched)
    fetched.close()  # type: ignore[attr-defined]
    assert taken == [1, 2]


def test_an_error_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the log is gone")

    fetched = ahead(items())
    assert next(fetched) == 1
    with pytest.raises(OSError, match="the log is gone"):
        next(fetched)
