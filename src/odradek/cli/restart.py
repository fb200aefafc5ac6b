"""`odradek cluster restart`: one broker after the other, each only while every partition has all its copies in sync."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from odradek.cli import restart_steps as steps
from odradek.cli.errors import CommandError, UsageError
from odradek.cli.local_processes import broker_pid
from odradek.cli.output import plural
from odradek.cli.progress import draw
from odradek.cli.restart_steps import Glimpse, Trouble
from odradek.cli.session import Session
from odradek.cli.survey import SeenBroker, Survey, survey
from odradek.cli.time_left import in_words
from odradek.cli.wire import BrokerConnection, require, schema

_GLIMPSE_S, _SURVEY_S = 0.2, 0.5
"""Between two looks at one broker, and at the whole cluster."""


@dataclass(slots=True)
class RollingRestart:
    """`force`: what is wrong from the start is accepted. `say` is told of each broker that is done."""

    session: Session
    timeout_s: float
    force: bool
    say: Callable[[str], None]
    _tolerated: frozenset[Trouble] = frozenset()
    _total: int = 0
    _done: list[dict[str, Any]] = field(default_factory=list)
    _left: list[int] = field(default_factory=list)
    _began_s: float = 0.0

    def run(self, wanted: Sequence[int]) -> list[dict[str, Any]]:
        """What was done, in order. Raises CommandError."""
        seen = survey(self.session)
        self._left = steps.chosen(seen, wanted)
        self._total = len(self._left)
        if found := steps.troubles(seen):
            if not self.force:
                raise CommandError(f"{steps.told(found)}: no broker is restarted (--force goes on all the same)")
            self._tolerated = found
        self.session = self.session.at(each.address for each in seen.brokers if not each.is_fenced)
        try:
            while self._left:
                self._began_s = time.monotonic()
                seen = self._wait_until_well(steps.next_of(self._left, seen.controller_id), seen)
                self._restart(seen, steps.next_of(self._left, seen.controller_id))
        finally:
            draw("")
        return self._done

    def _restart(self, seen: Survey, broker_id: int) -> None:
        broker = seen.broker(broker_id)
        if broker is None:
            raise CommandError(f"broker {broker_id} was removed from the cluster meanwhile")
        others = [each for each in seen.brokers if each.broker_id != broker_id and not each.is_fenced]
        old_pid = broker_pid(broker.host, broker.port)
        self._ask_to_stop(seen, broker, old_pid)
        stopped_s = self._wait_for(
            broker, others, "stopping" if old_pid else "to be restarted there now",
            lambda glimpse: steps.is_gone(old_pid, glimpse), steps.not_stopped, old_pid,
        )  # fmt: skip
        back_s = self._wait_for(
            broker, others, "starting", lambda glimpse: steps.is_back(old_pid, glimpse), steps.not_back, old_pid
        )
        self._wait_until_well(broker_id, seen)
        self._note_done(broker, back_s - stopped_s, was_controller=broker_id == seen.controller_id)

    def _ask_to_stop(self, seen: Survey, broker: SeenBroker, pid: int | None) -> None:
        alone = steps.alone_on(seen, broker.broker_id)
        if alone:
            self._tell(f"broker {broker.broker_id} alone has {plural(alone, 'partition')}: away while it is")
        if pid is None:
            self._tell(f"restart broker {broker.broker_id} at {broker.address} there now")
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    def _note_done(self, broker: SeenBroker, away_s: float, *, was_controller: bool) -> None:
        whole_s = time.monotonic() - self._began_s
        self._left.remove(broker.broker_id)
        self._done.append(
            {
                "broker": broker.broker_id,
                "was_controller": was_controller,
                "away_s": round(away_s, 3),
                "seconds": round(whole_s, 3),
            }
        )
        draw("")
        self.say(steps.done_line(broker, away_s, whole_s, len(self._left)))

    # --- waiting ---

    def _wait_for(
        self,
        broker: SeenBroker,
        others: Sequence[SeenBroker],
        doing: str,
        condition: Callable[[Glimpse], bool],
        problem: Callable[[SeenBroker, bool, float, Sequence[int]], str],
        old_pid: int | None,
    ) -> float:
        """When the condition held. Raises CommandError after the timeout."""
        deadline_s = time.monotonic() + self.timeout_s
        while not condition(glimpse(broker, others)):
            if time.monotonic() > deadline_s:
                raise CommandError(problem(broker, old_pid is not None, self.timeout_s, self._left))
            self._show(broker.broker_id, doing)
            time.sleep(_GLIMPSE_S)
        return time.monotonic()

    def _wait_until_well(self, broker_id: int, seen: Survey) -> Survey:
        """Raises CommandError when something was given up, or nothing gets better for the timeout."""
        least, changed_s = None, time.monotonic()
        while True:
            found: frozenset[Trouble] | None = None
            if (later := try_survey(self.session)) is not None:
                if (lost := steps.lost_move(seen, later)) is not None and not self.force:
                    raise CommandError(f"{lost}: see `odradek cluster plan`")
                seen, found = later, steps.troubles(later) - self._tolerated
                if not found:
                    return seen
                if least is None or len(found) < least:
                    least, changed_s = len(found), time.monotonic()
            if time.monotonic() - changed_s > self.timeout_s:
                raise CommandError(
                    steps.not_well(found, self.timeout_s, self._left) if found else "no broker answers any more"
                )
            self._show(broker_id, steps.told(found) if found else "waiting for an answer")
            time.sleep(_SURVEY_S)

    # --- telling ---

    def _show(self, broker_id: int, doing: str) -> None:
        current_s = time.monotonic() - self._began_s
        left = in_words(steps.time_left_s([each["seconds"] for each in self._done], len(self._left), current_s))
        draw(steps.progress_line(broker_id, len(self._done) + 1, self._total, doing, left))

    def _tell(self, line: str) -> None:
        """Something to know or to do now: never among the JSON on stdout."""
        draw("")
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def try_survey(session: Session) -> Survey | None:
    """None when the brokers asked are just going or coming."""
    from odradek.cli.kafka import KafkaException

    try:
        return survey(session)
    except UsageError:
        raise
    except (OSError, CommandError, KafkaException):
        return None


def glimpse(broker: SeenBroker, others: Sequence[SeenBroker]) -> Glimpse:
    """What the others say of a broker, and what it says itself."""
    pid = broker_pid(broker.host, broker.port)
    is_fenced, refuses = None, False
    for each in others:
        with suppress(OSError):
            is_fenced = _fenced(each, broker.broker_id)
            break
    own = None
    try:
        own = _fenced(broker, broker.broker_id)
    except OSError as error:
        refuses = isinstance(error, ConnectionRefusedError)
    return Glimpse(bool(own if is_fenced is None else is_fenced), own is not None, refuses, pid)


def _fenced(asked: SeenBroker, broker_id: int) -> bool:
    """A broker that is not known there is as good as fenced. Raises OSError when the one that is asked is silent."""
    api = schema("describe_cluster", 2)
    request = api.DescribeClusterRequest(include_cluster_authorized_operations=False, include_fenced_brokers=True)
    with BrokerConnection(asked.host, asked.port) as connection:
        answer = connection.ask(request)
    require(answer.error_code, answer.error_message)
    return all(each.is_fenced for each in answer.brokers if each.broker_id == broker_id)
