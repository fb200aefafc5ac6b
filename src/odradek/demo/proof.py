"""What one group saw, and whether that is everything, in order. Pure: records in, findings out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class Findings:
    """What is wrong with what a group saw; nothing of it may happen."""

    group: str
    seen: int
    missing: int
    duplicated: int
    unknown: int
    out_of_order: int
    skipped_offsets: int
    redelivered: int
    """Records read again after a rebalance. Allowed (at least once), but a clean hand-over has none."""

    @property
    def is_proven(self) -> bool:
        """Every record, none twice in the log, in produced order for each aircraft."""
        return not (self.missing or self.duplicated or self.unknown or self.out_of_order or self.skipped_offsets)


@dataclass(slots=True)
class Witness:
    """Everything one group's consumers see, whoever of them it is.

    Args:
        rows: Row of each flight in the file by its identity: the order in which one aircraft's flights were produced.
    """

    group: str
    rows: Mapping[str, int]
    seen: int = 0
    _marks: bytearray = field(init=False)
    _next_offsets: dict[int, int] = field(default_factory=dict)
    _last_rows: dict[bytes, int] = field(default_factory=dict)
    _duplicated: int = 0
    _unknown: int = 0
    _out_of_order: int = 0
    _skipped: int = 0
    _redelivered: int = 0

    def __post_init__(self) -> None:
        self._marks = bytearray(len(self.rows))

    def saw(self, partition: int, offset: int, aircraft: bytes | None, identity: str) -> None:
        """One record. A partition's records come from one consumer at a time, in the order it read them."""
        expected = self._next_offsets.get(partition, 0)
        if offset < expected:
            self._redelivered += 1
            return
        self._skipped += offset - expected
        self._next_offsets[partition] = offset + 1
        row = self.rows.get(identity)
        if row is None:
            self._unknown += 1
            return
        self._mark(row)
        if aircraft is not None:
            self._out_of_order += row < self._last_rows.get(aircraft, -1)
            self._last_rows[aircraft] = row

    def _mark(self, row: int) -> None:
        if self._marks[row]:
            self._duplicated += 1
        else:
            self._marks[row] = 1
            self.seen += 1

    @property
    def is_complete(self) -> bool:
        """Whether every flight was seen."""
        return self.seen == len(self.rows)

    def findings(self) -> Findings:
        """The verdict so far."""
        return Findings(
            group=self.group,
            seen=self.seen,
            missing=len(self.rows) - self.seen,
            duplicated=self._duplicated,
            unknown=self._unknown,
            out_of_order=self._out_of_order,
            skipped_offsets=self._skipped,
            redelivered=self._redelivered,
        )
