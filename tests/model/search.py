"""Searches over a model's states: every order in which things can happen, breadth first up to a number of states; and
long histories, one drawn step after the other."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from random import Random
from typing import NamedTuple, TypeVar

State = TypeVar("State", bound=Hashable)


class Found(NamedTuple):
    """What a search saw. `problem` is the first broken invariant, `path` the shortest way to it."""

    states: int
    is_complete: bool
    problem: str | None
    path: tuple[str, ...]


def search(
    start: State,
    steps: Callable[[State], Iterable[tuple[str, State]]],
    problem_of: Callable[[State], str | None],
    *,
    states_max: int,
) -> Found:
    """`steps` names each step with the state after it; `problem_of` says what is wrong with a state, if anything."""
    came_from: dict[State, tuple[State | None, str]] = {start: (None, "")}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        if (problem := problem_of(state)) is not None:
            return Found(len(came_from), False, problem, _path(came_from, state))
        if len(came_from) >= states_max:
            continue
        for name, after in steps(state):
            if after not in came_from:
                came_from[after] = (state, name)
                waiting.append(after)
    return Found(len(came_from), len(came_from) < states_max, None, ())


def walk(
    start: State,
    steps: Callable[[State], Iterable[tuple[str, State]]],
    problem_of: Callable[[State], str | None],
    *,
    seed: int,
    steps_max: int,
) -> Found:
    """One history, drawn from the seed."""
    chance, state, path = Random(seed), start, list[str]()
    for _ in range(steps_max):
        if (problem := problem_of(state)) is not None:
            return Found(len(path), False, problem, tuple(path))
        choices = list(steps(state))
        if not choices:
            break
        name, state = chance.choice(choices)
        path.append(name)
    return Found(len(path), True, problem_of(state), tuple(path))


def _path(came_from: dict[State, tuple[State | None, str]], state: State) -> tuple[str, ...]:
    names = []
    at: State | None = state
    while at is not None:
        at, name = came_from[at]
        names.append(name)
    return tuple(reversed(names[:-1]))
