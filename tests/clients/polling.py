"""Waiting for what a consumer's polls bring. No fixed times: a number of polls, each of which waits a little."""

from collections.abc import Callable

from tests.clients.vocabulary import Reader, Received

POLLS_MAX = 150


def take(reader: Reader, count: int) -> list[Received]:
    """The next `count` records."""
    seen: list[Received] = []
    for _ in range(POLLS_MAX):
        seen += reader.poll()
        if len(seen) >= count:
            return seen
    raise AssertionError(f"got {seen}")


def poll_until_it_stands_at(reader: Reader, offset: int) -> None:
    """Polls that bring nothing, until the position is the one awaited."""
    for _ in range(POLLS_MAX):
        assert reader.poll() == []
        if reader.position() == offset:
            return
    raise AssertionError(f"stands at {reader.position()}, not at {offset}")


def error_of(poll: Callable[[], object], kind: type[Exception]) -> Exception:
    """The error of this kind that polling brings in the end."""
    for _ in range(POLLS_MAX):
        try:
            poll()
        except kind as error:
            return error
    raise AssertionError(f"no {kind.__name__} came")
