"""One partition that this broker follows, in one leader epoch."""

from typing import TYPE_CHECKING

from odradek.cluster.image import PartitionImage
from odradek.log.log import Log
from odradek.replication.following import OwnLog
from odradek.wire.replica_fetch import Key, Position

if TYPE_CHECKING:
    from odradek.replication.partition import Partition

UNKNOWN = -1


class Followed:
    """Made anew whenever leader, leader epoch or the leader's broker epoch change: nothing is carried over."""

    __slots__ = (
        "attempts",
        "image",
        "is_failed",
        "is_throttled",
        "key",
        "leader_high_watermark",
        "partition",
        "waits_until",
        "was_in_sync",
    )

    def __init__(self, key: Key, partition: "Partition", image: PartitionImage, broker_id: int) -> None:
        self.key = key
        self.partition = partition
        self.image = image
        self.was_in_sync = broker_id in image.isr
        """At any time of this leader epoch."""
        self.leader_high_watermark = UNKNOWN
        """As last heard in this leader epoch."""
        self.attempts = 0
        """In a row that came to nothing."""
        self.waits_until: float | None = None
        """Nothing is asked of its leader before (loop seconds)."""
        self.is_throttled = False
        """It waits for the catch-up throttle, not for what went wrong."""
        self.is_failed = False
        """It is not followed any more in this leader epoch."""

    def follows(self, partition: "Partition", image: PartitionImage) -> bool:
        """Whether it is this partition in the same leader epoch of the same leader."""
        mine = self.image
        return (
            self.partition is partition
            and mine.leader == image.leader
            and mine.leader_epoch == image.leader_epoch
            and mine.leader_broker_epoch == image.leader_broker_epoch
        )

    def update(self, image: PartitionImage, broker_id: int) -> None:
        """What else the image says has changed."""
        self.image = image
        self.was_in_sync = self.was_in_sync or broker_id in image.isr

    @property
    def name(self) -> str:
        """As in logs: topic-partition."""
        return f"{self.partition.topic}-{self.partition.index}"

    @property
    def log(self) -> Log:
        return self.partition.log

    @property
    def lag(self) -> int:
        """Committed records that are still missing here, as far as is known."""
        return max(self.leader_high_watermark - self.log.log_end_offset, 0)

    @property
    def is_in_sync(self) -> bool:
        """It has what was committed when the leader last answered."""
        return self.leader_high_watermark != UNKNOWN and not self.lag

    @property
    def needs_flush(self) -> bool:
        """The leader may count only what is on stable storage, and not all is."""
        log = self.log
        return log.flushed_offset < log.log_end_offset and log.config.counts_flushed_only

    def position(self) -> Position:
        """What to ask the leader for now."""
        log = self.log
        return Position(
            self.image.leader_epoch,
            log.log_end_offset,
            log.epochs.latest_epoch,
            log.log_start_offset,
            self.partition.high_watermark,
        )

    def is_still_at(self, told: Position) -> bool:
        """Whether an answer to what the leader was told is of any use."""
        log = self.log
        return (
            told.leader_epoch == self.image.leader_epoch
            and told.fetch_offset == log.log_end_offset
            and told.last_fetched_epoch == log.epochs.latest_epoch
        )

    def own_log(self) -> OwnLog:
        log = self.log
        return OwnLog(
            log.log_start_offset,
            log.log_end_offset,
            self.partition.high_watermark,
            log.epochs,
            self.was_in_sync,
        )
