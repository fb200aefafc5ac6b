"""From the records of one partition of `__consumer_offsets` back to its groups and offsets."""

import logging
from collections.abc import Iterator

from odradek.groups.group import ClassicGroup, GroupSettings
from odradek.groups.offsets import Offsets
from odradek.groups.records import (
    GroupKey,
    OffsetKey,
    OtherKey,
    read_group_value,
    read_key,
    read_offset_value,
)
from odradek.groups.vocabulary import GroupMetadata
from odradek.wire.record_codec import Record

logger = logging.getLogger(__name__)


class Replay:
    """Takes records in the order of the log; only the newest of each key counts."""

    def __init__(self) -> None:
        self.offsets = Offsets()
        self._groups: dict[str, GroupMetadata] = {}

    def add(self, record: Record) -> None:
        """Raises CorruptRecordError; records of types that are not known are skipped."""
        if record.key is None:
            return
        key = read_key(record.key)
        if isinstance(key, OffsetKey):
            self._add_offset(key, record.value)
        elif isinstance(key, GroupKey):
            self._add_group(key, record.value)
        elif isinstance(key, OtherKey):
            logger.debug("skipped a record with a key of type %d at offset %d", key.version, record.offset)

    def _add_offset(self, key: OffsetKey, value: bytes | None) -> None:
        if value is None:
            self.offsets.remove(key)
        else:
            self.offsets.put(key, read_offset_value(value))

    def _add_group(self, key: GroupKey, value: bytes | None) -> None:
        if value is None:
            self._groups.pop(key.group_id, None)
        else:
            self._groups[key.group_id] = read_group_value(value)

    def groups(self, settings: GroupSettings) -> Iterator[ClassicGroup]:
        """What was stored of groups, and a simple group for offsets without one; each made when it is asked for."""
        for group_id, stored in self._groups.items():
            yield ClassicGroup.loaded(group_id, settings, stored)
        for group_id in self.offsets.group_ids():
            if group_id not in self._groups:
                yield ClassicGroup(group_id, settings)
