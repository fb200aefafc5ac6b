"""Puts the events that etcd sends together to whole revisions: plain synchronous Python.

A response carries the events of one or of many revisions, in order; a large one comes in fragments, which may part the
events of one revision. The watch covers every key, so a revision without an event for us still tells how far it is.
"""

from collections.abc import Iterable
from typing import Any

from odradek.metastore.store import Event, Progress, Revision, RevisionBatch

DELETE = 1


class Assembler:
    """What a watcher of `prefix` is told after the revision `seen`. What it knows already is dropped, so that a watch
    can be taken up again a little earlier."""

    def __init__(self, prefix: bytes, seen: Revision) -> None:
        self._prefix = prefix
        self.seen = seen
        """Everything up to this revision has been told."""
        self._open: Revision = 0
        self._events: list[Event] = []

    def take(self, events: Iterable[Any], *, more_follows: bool) -> list[RevisionBatch | Progress]:
        """The revisions that these events complete. `more_follows`: the next response continues this one."""
        told, complete = self.seen, list[RevisionBatch | Progress]()
        for event in events:
            revision = event.kv.mod_revision
            if revision <= self.seen:
                continue
            if revision != self._open:
                self._complete(complete)
                self._open = revision
            if event.kv.key.startswith(self._prefix):
                value = None if event.type == DELETE else event.kv.value
                self._events.append(Event(event.kv.key, value, revision))
        if not more_follows:
            self._complete(complete)
        if complete:
            told = complete[-1].revision
        return [*complete, Progress(self.seen)] if self.seen > told else complete

    def _complete(self, complete: list[RevisionBatch | Progress]) -> None:
        if self._open <= self.seen:
            return
        self.seen = self._open
        if self._events:
            events, self._events = self._events, []
            complete.append(RevisionBatch(self.seen, tuple(sorted(events, key=lambda event: event.key))))
