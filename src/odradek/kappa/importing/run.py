"""One run of an import: from the source and what is in the topic already to the last acknowledged row."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from odradek.kappa.errors import KappaError
from odradek.kappa.importing.options import ImportOptions, Limits
from odradek.kappa.importing.ordering import Measured, OrderedRows, opened
from odradek.kappa.importing.pace import Pace
from odradek.kappa.importing.sending import RecordSender
from odradek.kappa.importing.state import ImportState, Position, StateFile
from odradek.kappa.importing.topic import TargetTopic, TopicFacts

CHECKPOINT_S = 5.0
"""How often the positions are stored: a resumed import reads at most what was sent since."""
_PAUSE_S = 0.2

Told = Callable[[int, int], None]
"""Told (rows that are through, rows in all) again and again."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. Times in milliseconds since 1970; offsets by partition, of this run."""

    import_id: str
    topic: str
    rows: int
    sent: int
    skipped: int
    size_bytes: int
    seconds: float
    first_ms: int | None
    last_ms: int | None
    first_offsets: list[int]
    next_offsets: list[int]
    was_finished: bool


def run_import(
    bootstrap: str,
    options: ImportOptions,
    limits: Limits,
    state_directory: Path,
    *,
    create_partitions: int | None = None,
    restart: bool = False,
    told: Told = lambda done, total: None,
) -> Summary:
    """Bring every row into the topic exactly once; raises KappaError, and KafkaException for what brokers answer."""
    file = StateFile(state_directory, options.import_id, options.topic)
    with file.locked(), opened(options, limits) as rows:
        target = TargetTopic(bootstrap, options.topic, limits.wait_s)
        # The source is checked first: a wrong column must not leave a new topic behind.
        measured = rows.measure()
        if create_partitions is not None:
            target.create(create_partitions)
        facts = target.describe()
        state = _begin(target, facts, options, measured, None if restart else file.load(), limits.settle_s)
        if state.is_finished:
            return _summary(state, measured, state, 0, 0, 0.0)
        file.store(state)
        return _Run(target, facts, file, state, measured, limits, told).play(rows)


def _begin(
    target: TargetTopic,
    facts: TopicFacts,
    options: ImportOptions,
    measured: Measured,
    stored: ImportState | None,
    settle_s: float,
) -> ImportState:
    """The state from which to send: of a first run, or with what is in the log after all."""
    if stored is None:
        positions = tuple(Position(end, -1) for end in target.log_ends(facts.partitions))
        return ImportState(
            options.import_id,
            options.digest,
            measured.fingerprint,
            facts.cluster_id,
            options.topic,
            facts.topic_id,
            0,
            positions,
        )
    stored.check(options.digest, measured.fingerprint, facts.cluster_id, facts.topic_id, facts.partitions)
    if stored.is_finished:
        return stored
    ends = target.settled_ends(facts.partitions, settle_s)
    for index, (position, end) in enumerate(zip(stored.positions, ends, strict=True)):
        if end < position.offset:
            raise KappaError(
                f"partition {index} of {options.topic} ends at {end}, before {position.offset}, "
                "which was acknowledged: records were lost; --restart begins the import anew, from the first row"
            )
    return stored.next_epoch(target.highest(options.import_id, stored.positions, ends))


class _Run:
    def __init__(
        self,
        target: TargetTopic,
        facts: TopicFacts,
        file: StateFile,
        state: ImportState,
        measured: Measured,
        limits: Limits,
        told: Told,
    ) -> None:
        self._target, self._facts, self._file, self._began = target, facts, file, state
        self._state, self._measured, self._limits, self._told = state, measured, limits, told
        self._highest = [position.seq for position in state.positions]
        self._stored_s = 0.0
        self._pace: Pace | None = None
        self._sender = RecordSender(
            target.config,
            target.topic,
            import_id=state.import_id,
            epoch=state.epoch,
            highest=self._highest,
            max_message_bytes=facts.max_message_bytes,
            wait_s=limits.wait_s,
        )

    def play(self, rows: OrderedRows) -> Summary:
        """Send what is missing, in order."""
        started = self._stored_s = time.monotonic()
        try:
            seq = self._send_all(rows)
            if seq != self._measured.rows:
                raise KappaError(
                    f"the source gave {seq:,} rows after it counted {self._measured.rows:,}: it is changing"
                )
            self._checkpoint(seq, is_finished=True)
        except BaseException:
            self._sender.abandon()
            raise
        seconds = time.monotonic() - started
        sender = self._sender
        return _summary(self._began, self._measured, self._state, sender.records, sender.size_bytes, seconds)

    def _send_all(self, rows: OrderedRows) -> int:
        seq, everywhere = 0, min(self._highest)
        for batch in rows.batches():
            if seq + batch.num_rows - 1 > everywhere:
                values, keys, times_ms = (batch.column(name).to_pylist() for name in ("v", "k", "t"))
                self._send_batch(values, keys, times_ms, seq)
            seq += batch.num_rows
            self._told(seq, self._measured.rows)
            if time.monotonic() - self._stored_s >= CHECKPOINT_S:
                self._checkpoint(seq)
        return seq

    def _send_batch(self, values: list[Any], keys: list[Any], times_ms: list[int], seq: int) -> None:
        if self._limits.speed is None:
            self._sender.send(values, keys, times_ms, seq)
            return
        start = max(0, min(self._highest) + 1 - seq)
        if self._pace is None:
            self._pace = Pace(self._limits.speed, times_ms[start], time.monotonic())
        while start < len(times_ms):
            end = self._pace.due(times_ms, start, time.monotonic())
            self._sender.send(values[start:end], keys[start:end], times_ms[start:end], seq + start)
            start = end
            self._told(seq + start, self._measured.rows)
            if time.monotonic() - self._stored_s >= CHECKPOINT_S:
                self._checkpoint(seq + start)
            if start < len(times_ms):
                time.sleep(min(_PAUSE_S, self._pace.wait_s(times_ms[start], time.monotonic())))

    def _checkpoint(self, seq: int, *, is_finished: bool = False) -> None:
        """Store that all rows before `seq` are acknowledged, once they are, in the same topic as before."""
        self._sender.flush(lambda: self._told(seq, self._measured.rows))
        try:
            facts = self._target.describe()
            ends = self._target.log_ends(self._facts.partitions)
        except KafkaException as error:
            raise KappaError(
                f"the brokers do not answer ({error.args[0].str()}): start the same import again to resume it"
            ) from error
        state = self._state
        state.check(state.digest, state.fingerprint, facts.cluster_id, facts.topic_id, facts.partitions)
        # After a resume some partitions are ahead of the rows that came by.
        seqs = [max(seq - 1, before) for before in self._highest]
        positions = tuple(Position(*pair) for pair in zip(ends, seqs, strict=True))
        self._state = replace(state, positions=positions, is_finished=is_finished)
        self._file.store(self._state)
        self._stored_s = time.monotonic()


def _summary(
    began: ImportState, measured: Measured, state: ImportState, sent: int, size_bytes: int, seconds: float
) -> Summary:
    return Summary(
        import_id=state.import_id,
        topic=state.topic,
        rows=measured.rows,
        sent=sent,
        skipped=measured.skipped,
        size_bytes=size_bytes,
        seconds=seconds,
        first_ms=measured.first_ms,
        last_ms=measured.last_ms,
        first_offsets=[position.offset for position in began.positions],
        next_offsets=[position.offset for position in state.positions],
        was_finished=began.is_finished,
    )
