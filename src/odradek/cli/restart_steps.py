"""What a rolling restart may do next, from what was seen: plain functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from odradek.cli.errors import CommandError
from odradek.cli.output import plural
from odradek.cli.survey import SeenBroker, Survey

Trouble = tuple[str, str]
"""What kind, and what it is about."""
DOWN, SILENT, OFFLINE, MISSING = "is down", "does not answer", "has no leader", "is not in sync"
_SEVERAL = {
    DOWN: "brokers are down",
    SILENT: "brokers do not answer",
    OFFLINE: "partitions have no leader",
    MISSING: "replicas are not in sync",
}


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One broker at one moment.

    `is_fenced`: as the others say; `refuses`: nobody listens at its address, which is more than not to answer; `pid`:
    the process of this machine that listens there, None elsewhere.
    """

    is_fenced: bool
    answers: bool
    refuses: bool
    pid: int | None


def chosen(seen: Survey, wanted: Sequence[int]) -> list[int]:
    """Whom to restart; without a wish everybody who is up and stays. Raises CommandError."""
    if not wanted:
        return [each.broker_id for each in seen.brokers if not each.is_fenced and each.broker_id not in seen.draining]
    for broker_id in wanted:
        broker = seen.broker(broker_id)
        if broker is None:
            known = ", ".join(str(each.broker_id) for each in seen.brokers)
            raise CommandError(f"no broker {broker_id}: there is {known}, see `odradek cluster status`")
        if broker.is_fenced:
            raise CommandError(f"broker {broker_id} is down: start it")
        if broker_id in seen.draining:
            undrain = f"`odradek cluster undrain {broker_id}`"
            raise CommandError(f"broker {broker_id} is drained: stop it, or {undrain} first")
    return list(dict.fromkeys(wanted))


def next_of(left: Sequence[int], controller_id: int) -> int:
    """The controller comes last, so that its seat moves once at the most."""
    return next((each for each in left if each != controller_id), left[0])


def troubles(seen: Survey) -> frozenset[Trouble]:
    """Whatever makes the absence of one more broker dangerous. A replica that is only on its way is not missing."""
    found: set[Trouble] = set()
    for broker in seen.brokers:
        if broker.is_fenced:
            found.add((DOWN, f"broker {broker.broker_id}"))
        elif broker.disks is None:
            found.add((SILENT, f"broker {broker.broker_id}"))
    for each in seen.partitions:
        name = f"{each.topic}-{each.index}"
        if each.leader < 0:
            found.add((OFFLINE, name))
        missing = [replica for replica in each.replicas if replica not in (*each.isr, *each.adding)]
        found.update((MISSING, f"{name} on broker {replica}") for replica in missing)
    return frozenset(found)


def told(found: frozenset[Trouble]) -> str:
    """In one line, each kind with its first case."""
    lines = []
    for kind, several in _SEVERAL.items():
        cases = sorted(case for each, case in found if each == kind)
        if len(cases) == 1:
            lines.append(f"{cases[0]} {kind}")
        elif cases:
            lines.append(f"{len(cases):,} {several} ({cases[0]} first)")
    return ", ".join(lines)


def lost_move(before: Survey, after: Survey) -> str | None:
    """A reassignment that was under way and is neither done nor under way any more, whoever ended it."""
    now = {(each.topic, each.index): each for each in after.partitions}
    for each in before.partitions:
        later = now.get((each.topic, each.index))
        if not each.is_moving or later is None or later.is_moving:
            continue
        if set(later.replicas) != set(each.target):
            return f"the move of {each.topic}-{each.index} to brokers {_listed(each.target)} was given up"
    return None


def alone_on(seen: Survey, broker_id: int) -> int:
    """Partitions that nobody serves while this broker is away."""
    return sum(each.replicas == (broker_id,) for each in seen.partitions)


def is_gone(old_pid: int | None, glimpse: Glimpse) -> bool:
    """Whether the process that served before has ended."""
    return glimpse.is_fenced or glimpse.refuses or (old_pid is not None and glimpse.pid != old_pid)


def is_back(old_pid: int | None, glimpse: Glimpse) -> bool:
    """Whether its successor is registered and serves."""
    if glimpse.is_fenced or not glimpse.answers:
        return False
    return old_pid is None or glimpse.pid not in (None, old_pid)


def not_back(broker: SeenBroker, is_local: bool, timeout_s: float, left: Sequence[int]) -> str:
    """What is said about a broker that stays away, with the command that goes on afterwards."""
    cause = "nothing starts it again: start it" if is_local else "start it there"
    return (
        f"broker {broker.broker_id} at {broker.address} is not back after {timeout_s:g} s: {cause}"
        f"{_go_on([each for each in left if each != broker.broker_id])}"
    )


def not_stopped(broker: SeenBroker, is_local: bool, timeout_s: float, left: Sequence[int]) -> str:
    address, again = f"broker {broker.broker_id} at {broker.address}", _go_on(left)
    if is_local:
        return f"{address} has not stopped within {timeout_s:g} s of SIGTERM: see its log{again}"
    return f"{address} was not restarted within {timeout_s:g} s{again}"


def not_well(found: frozenset[Trouble], timeout_s: float, left: Sequence[int]) -> str:
    return f"{told(found)}, and nothing has changed for {timeout_s:g} s: see `odradek cluster status`{_go_on(left)}"


def time_left_s(took_s: Sequence[float], left: int, current_s: float) -> float | None:
    """For so many brokers, the present one included, by the mean of those that are done; None before the first is."""
    if not took_s:
        return None
    mean_s = sum(took_s) / len(took_s)
    return mean_s * (left - 1) + max(mean_s - current_s, 0.0)


def progress_line(broker_id: int, number: int, total: int, doing: str, left: str) -> str:
    """What a person who waits sees."""
    return ", ".join([f"broker {broker_id} ({number} of {total}): {doing}", *([left] if left else [])])


def done_line(broker: SeenBroker, away_s: float, whole_s: float, left: int) -> str:
    rest = f"; {plural(left, 'broker')} left" if left else ""
    return f"broker {broker.broker_id} was away for {away_s:.1f} s, everything is in sync after {whole_s:.1f} s{rest}"


def _go_on(left: Sequence[int]) -> str:
    return f", then `odradek cluster restart {' '.join(map(str, left))}`" if left else ""


def _listed(brokers: Sequence[int]) -> str:
    return ", ".join(map(str, brokers))
