"""What kafka-dump-log says of a partition's files."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from interop.runner import Outcome, ToolRunner
from interop.table import Tried

TOOL = "kafka-dump-log"
BATCH = re.compile(r"^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) ", re.MULTILINE)
RECORD = re.compile(r"^\| offset: (\d+) (\w+): (\d+) ", re.MULTILINE)
NO_COMPLAINT = re.compile(r"Non-consecutive offsets in |  -?\d+ is followed by \d+$")
"""The tool says so of every segment that does not begin at offset 0. `Dump.check` looks for gaps itself."""


@dataclass(slots=True)
class Found:
    """What a partition's files held, all of it accepted."""

    offsets: list[int] = field(default_factory=list)
    codecs: set[str] = field(default_factory=set)
    timestamp_types: set[str] = field(default_factory=set)
    offset_entries: int = 0
    time_entries: int = 0
    producers: int = 0

    @property
    def records(self) -> int:
        return len(self.offsets)

    @property
    def last_offset(self) -> int:
        return self.offsets[-1]


class Dump:
    """Calls kafka-dump-log and holds it to finding nothing wrong."""

    def __init__(self, runner: ToolRunner, tried: Tried) -> None:
        self._runner = runner
        self._tried = tried

    def run(self, *arguments: object) -> Outcome:
        """Call the tool, which tells what is wrong on stderr."""
        words = [str(argument) for argument in arguments]
        self._tried.note(TOOL, words)
        outcome = self._runner.run(TOOL, words)
        complaints = [line for line in outcome.err.splitlines() if not NO_COMPLAINT.match(line)]
        assert (outcome.code, complaints) == (0, [])
        return outcome

    def check(self, partition: Path, *, has_gaps: bool = False) -> Found:
        """Read every file of a partition in every way the tool has.

        Args:
            partition: The partition's directory.
            has_gaps: Offsets may be missing, as compaction leaves them.
        """
        found = Found()
        logs, offset_indexes, time_indexes, snapshots = (
            _files(partition, suffix) for suffix in (".log", ".index", ".timeindex", ".snapshot")
        )
        self._read_logs(logs, found, has_gaps)
        if offset_indexes:  # The newest segment's are not on disk while it is written to.
            self._read_indexes([*offset_indexes, *time_indexes], found)
        if snapshots:
            found.producers = self.run("--files", ",".join(snapshots)).out.count("producerId: ")
        return found

    def decode_offsets(self, data: Path) -> str:
        """Every record of `__consumer_offsets`, decoded."""
        logs = [name for partition in sorted(data.glob("__consumer_offsets-*")) for name in _files(partition, ".log")]
        return self.run("--offsets-decoder", "--deep-iteration", "--files", ",".join(logs)).out

    def _read_logs(self, logs: list[str], found: Found, has_gaps: bool) -> None:
        out = self.run("--deep-iteration", "--files", ",".join(logs)).out
        assert "isvalid: false" not in out
        records = RECORD.findall(out)
        found.offsets = [int(offset) for offset, _, _ in records]
        assert found.offsets == sorted(set(found.offsets))
        if not has_gaps:
            assert found.offsets == list(range(found.offsets[0], found.offsets[-1] + 1))
            assert sum(int(count) for _, _, count in BATCH.findall(out)) == found.records
        found.timestamp_types = {kind for _, kind, _ in records}
        found.codecs = set(re.findall(r"compresscodec: (\w+)", out, re.IGNORECASE))

    def _read_indexes(self, indexes: list[str], found: Found) -> None:
        files = ",".join(indexes)
        sane = self.run("--index-sanity-check", "--files", files).out
        assert sane.count(" passed sanity check.") + sane.count(" is empty.") == len(indexes)
        self.run("--verify-index-only", "--files", files)
        out = self.run("--files", files).out
        found.offset_entries = len(re.findall(r"^offset: \d+ position: \d+$", out, re.MULTILINE))
        found.time_entries = len(re.findall(r"^timestamp: \d+ offset: \d+$", out, re.MULTILINE))


def _files(partition: Path, suffix: str) -> list[str]:
    return [str(path) for path in sorted(partition.glob(f"*{suffix}"))]
