"""Turns, with a stopwatch that the test moves."""

from collections.abc import Callable

from odradek.broker.turns import QUICK_SECONDS, TURN_SECONDS, Turns

LONG = 3 * TURN_SECONDS


class Client:
    """Stands where a connection does: takes its turn, which takes so long."""

    def __init__(self, bench: "Bench", name: str, takes: float) -> None:
        self.bench, self.name, self.takes = bench, name, takes
        self.is_in_line = False
        self.is_quick = True
        self.left = 0

    def take_turn(self) -> None:
        began = self.bench.now
        self.bench.now += self.takes
        self.bench.served.append((self.bench.loop_turns, self.name))
        self.left -= 1
        self.bench.turns.served(self, began)  # type: ignore[arg-type]
        if self.left > 0:
            self.bench.turns.wait(self)  # type: ignore[arg-type]


class Bench:
    """Stands where the loop does."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], None]] = []
        self.now = 0.0
        self.loop_turns = 0
        self.served: list[tuple[int, str]] = []
        self.turns = Turns(self, lambda: self.now)  # type: ignore[arg-type]

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.ready.append(callback)

    def client(self, name: str, takes: float, turns: int = 1) -> Client:
        client = Client(self, name, takes)
        client.left = turns
        return client

    def is_used_up(self) -> bool:
        return self.turns.is_used_up

    def turn(self) -> None:
        """One of the loop."""
        self.loop_turns += 1
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()

    def run(self) -> None:
        while self.ready:
            self.turn()


def test_who_waits_is_served_in_order_and_goes_to_the_end_of_the_line() -> None:
    bench = Bench()
    for name in "abc":
        bench.turns.wait(bench.client(name, LONG, turns=2))  # type: ignore[arg-type]
    bench.run()
    assert [name for _, name in bench.served] == ["a", "b", "c", "a", "b", "c"]


def test_one_that_takes_long_is_served_in_a_turn_of_the_loop() -> None:
    bench = Bench()
    for name in "abcd":
        bench.turns.wait(bench.client(name, LONG))  # type: ignore[arg-type]
    bench.run()
    turns = [turn for turn, _ in bench.served]
    assert len(set(turns)) == 4


def test_many_that_are_quick_are_served_in_a_turn_of_the_loop() -> None:
    bench = Bench()
    for number in range(20):
        bench.turns.wait(bench.client(str(number), QUICK_SECONDS / 100))  # type: ignore[arg-type]
    bench.run()
    assert len({turn for turn, _ in bench.served}) == 1


def test_nobody_is_twice_in_line() -> None:
    bench = Bench()
    client = bench.client("a", LONG)
    bench.turns.wait(client)  # type: ignore[arg-type]
    bench.turns.wait(client)  # type: ignore[arg-type]
    assert len(bench.turns) == 1
    bench.run()
    assert [name for _, name in bench.served] == ["a"]


def test_the_turn_of_the_loop_is_used_up_by_those_who_take_long() -> None:
    bench = Bench()
    quick, long = bench.client("quick", QUICK_SECONDS / 2), bench.client("long", LONG)
    for _ in range(100):
        quick.take_turn()
    assert quick.is_quick
    assert not bench.is_used_up()
    long.take_turn()
    assert not long.is_quick
    assert bench.is_used_up()
    bench.turn()
    assert not bench.is_used_up()


def test_those_in_line_have_as_much_of_a_turn_as_everybody_else() -> None:
    bench = Bench()
    for number in range(20):
        bench.turns.wait(bench.client(str(number), TURN_SECONDS))  # type: ignore[arg-type]
    bench.now += 10 * TURN_SECONDS
    bench.turn()
    assert len(bench.served) == 10
    bench.turn()
    assert len(bench.served) == 11


def test_an_idle_loop_is_left_alone() -> None:
    bench = Bench()
    bench.turns.wait(bench.client("a", LONG))  # type: ignore[arg-type]
    bench.run()
    assert bench.loop_turns <= 3
    bench.client("b", QUICK_SECONDS / 2).take_turn()
    assert not bench.ready
