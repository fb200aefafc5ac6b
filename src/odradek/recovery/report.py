"""What one broker's log directories hold, as a file that is carried to where the recovery is made."""

import msgspec

from odradek.cluster.ids import uuid_from_text

FORMAT = 1


class ReportError(Exception):
    """A file is no report, or several do not go together; one line that names it."""


class PartitionReport(msgspec.Struct, frozen=True, gc=False):
    """One replica. `leader_epoch` is that of its latest records, -1 without any."""

    topic: str
    topic_id: str
    partition: int
    leader_epoch: int
    log_start_offset: int
    log_end_offset: int

    @property
    def rank(self) -> tuple[int, int]:
        """Of two replicas the one with the higher rank has everything that was committed in the other (KIP-101)."""
        return self.leader_epoch, self.log_end_offset


class Report(msgspec.Struct, frozen=True):
    """`revision` and `broker_epoch` are the highest that the broker has seen, of the metadata and of its own."""

    cluster_id: str
    broker_id: int
    revision: int
    broker_epoch: int
    producer_id: int
    """The highest in its records, -1 without any."""
    partitions: tuple[PartitionReport, ...] = ()
    format: int = FORMAT

    def encode(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self))


def read_report(name: str, content: bytes) -> Report:
    """`name` is the file's. Raises ReportError."""
    try:
        report = msgspec.json.decode(content, type=Report)
        for each in report.partitions:
            uuid_from_text(each.topic_id)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise ReportError(f"{name} is not a report of `odradek cluster survey`: {error}") from error
    if report.format > FORMAT:
        raise ReportError(f"{name} has format {report.format}, this version reads up to {FORMAT}")
    return report


def require_one_each(reports: list[tuple[str, Report]]) -> None:
    """Raises ReportError for two of one broker, or of different clusters."""
    seen: dict[int, str] = {}
    for name, report in reports:
        if report.broker_id in seen:
            raise ReportError(f"{name} and {seen[report.broker_id]} are both of broker {report.broker_id}")
        if report.cluster_id != reports[0][1].cluster_id:
            raise ReportError(
                f"{name} is of cluster {report.cluster_id}, {reports[0][0]} of {reports[0][1].cluster_id}"
            )
        seen[report.broker_id] = name
