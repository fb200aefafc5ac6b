"""From one image to the next: keys and values in, a new `ClusterImage` and its `ImageDelta` out.

Copy on write: a table is copied the first time a revision touches it, everything else is shared.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID

from odradek.cluster.ids import uuid_from_text
from odradek.cluster.image import (
    EMPTY,
    BrokerImage,
    ClusterImage,
    ConfigKey,
    DeletedEntry,
    ImageDelta,
    IntentEntry,
    PartitionDelta,
    PartitionImage,
    TopicEntry,
    TopicImage,
)
from odradek.cluster.keys import Keys
from odradek.cluster.records import (
    BrokerRecord,
    CollisionRecord,
    ConfigRecord,
    ControllerRecord,
    DeletedRecord,
    IntentRecord,
    LiveRecord,
    LoadRecord,
    MetaRecord,
    PartitionRecord,
    SuspectRecord,
    TopicRecord,
    decode,
)
from odradek.metastore.store import Revision

K = TypeVar("K")
V = TypeVar("V")

Apply = Callable[["ImageBuilder", str, bytes | None, Revision], None]


class ImageBuilder:
    """Takes the changes of one revision (or of a whole snapshot), then `finish` gives the image after them."""

    def __init__(self, before: ClusterImage, keys: Keys) -> None:
        self._before, self._keys = before, keys
        self._tables: dict[str, dict[Any, Any]] = {}
        self._scalars: dict[str, Any] = {}
        self._copied_parts: dict[UUID, dict[int, PartitionImage]] = {}
        self._topic_names: dict[str, None] = {}
        self._touched_ids: dict[UUID, None] = {}
        self._configs: dict[ConfigKey, None] = {}
        self._brokers: dict[int, None] = {}
        self._duties = self._reassignments = False

    def apply(self, key: bytes, value: bytes | None, revision: Revision) -> None:
        """One key's new value, None when it is gone."""
        kind, rest = self._keys.split(key)
        handler = HANDLERS.get(f"{kind}/{rest}" if kind == "ctl" else kind)
        if handler is not None:
            handler(self, rest, value, revision)

    def _writable(self, table: str) -> dict[Any, Any]:
        copied = self._tables.get(table)
        if copied is None:
            copied = self._tables[table] = dict(getattr(self._before, table))
        return copied

    def _reading(self, table: str) -> Mapping[Any, Any]:
        copied: Mapping[Any, Any] | None = self._tables.get(table)
        return getattr(self._before, table) if copied is None else copied

    def _set(self, table: str, key: object, value: object | None) -> None:
        if value is None:
            self._writable(table).pop(key, None)
        else:
            self._writable(table)[key] = value

    # --- one handler per kind of key ---

    def _meta(self, rest: str, value: bytes | None, revision: Revision) -> None:
        record = MetaRecord("", 0) if value is None else decode(MetaRecord, value)
        self._scalars |= {"cluster_id": record.cluster_id, "restored": record.restored}

    def _controller(self, rest: str, value: bytes | None, revision: Revision) -> None:
        record = ControllerRecord(-1, -1) if value is None else decode(ControllerRecord, value)
        self._scalars |= {"controller_id": record.broker, "controller_epoch": record.epoch}
        self._scalars["controller_revision"] = 0 if value is None else revision
        self._duties = True

    def _broker(self, rest: str, value: bytes | None, revision: Revision) -> None:
        broker_id = int(rest)
        self._brokers[broker_id] = None
        self._duties = True
        self._set("brokers", broker_id, None if value is None else broker_image(broker_id, value, revision))

    def _live(self, rest: str, value: bytes | None, revision: Revision) -> None:
        self._duties = True
        self._set("live", int(rest), None if value is None else decode(LiveRecord, value).epoch)

    def _topic(self, name: str, value: bytes | None, revision: Revision) -> None:
        self._topic_names[name] = None
        record = None if value is None else decode(TopicRecord, value)
        entry = None if record is None else TopicEntry(record, uuid_from_text(record.topic_id), revision)
        self._set("entries", name, entry)

    def _partition(self, rest: str, value: bytes | None, revision: Revision) -> None:
        id_text, _, index = rest.partition("/")
        topic_id = uuid_from_text(id_text)
        self._touched_ids[topic_id] = None
        parts = self._copied_parts.get(topic_id)
        if parts is None:
            parts = self._copied_parts[topic_id] = dict(self._reading("parts").get(topic_id, EMPTY))
        record = None if value is None else decode(PartitionRecord, value)
        if record is None:
            parts.pop(int(index), None)
        else:
            parts[int(index)] = PartitionImage.of(record, revision)
        self._note_reassignment((topic_id, int(index)), record is not None and bool(record.adding or record.removing))

    def _note_reassignment(self, key: tuple[UUID, int], is_moving: bool) -> None:
        was_moving = key in self._reading("reassigning")
        self._reassignments |= is_moving or was_moving
        if is_moving != was_moving:
            self._set("reassigning", key, is_moving or None)

    def _config(self, rest: str, value: bytes | None, revision: Revision) -> None:
        resource_type, _, name = rest.partition("/")
        key = (resource_type, name)
        self._configs[key] = None
        self._set("configs", key, None if value is None else decode(ConfigRecord, value).values)
        self._set("config_revisions", key, None if value is None else revision)
        if resource_type == "topic":
            self._topic_names[name] = None
        self._duties = True

    def _collision(self, rest: str, value: bytes | None, revision: Revision) -> None:
        self._set("collisions", rest, None if value is None else decode(CollisionRecord, value).name)

    def _deleted(self, rest: str, value: bytes | None, revision: Revision) -> None:
        entry = None if value is None else DeletedEntry(decode(DeletedRecord, value), revision)
        self._set("deleted", uuid_from_text(rest), entry)

    def _suspect(self, rest: str, value: bytes | None, revision: Revision) -> None:
        self._duties = True
        suspect, _, by = rest.partition("/")
        self._set("suspects", (int(suspect), int(by)), None if value is None else decode(SuspectRecord, value).epoch)

    def _load(self, rest: str, value: bytes | None, revision: Revision) -> None:
        self._set("loads", int(rest), None if value is None else decode(LoadRecord, value))

    def _history(self, token: str, value: bytes | None, revision: Revision) -> None:
        self._set("history", token, None if value is None else revision)
        latest = self._scalars.get("history_token", self._before.history_token)
        if value is not None and revision >= self._reading("history").get(latest, 0):
            self._scalars["history_token"] = token
        self._duties = True

    def _intent(self, rest: str, value: bytes | None, revision: Revision) -> None:
        entry = None if value is None else IntentEntry(decode(IntentRecord, value), revision)
        self._set("intents", uuid_from_text(rest), entry)
        self._duties = True

    # --- the result ---

    def finish(self, revision: Revision) -> ClusterImage:
        """The image after everything applied."""
        for topic_id, parts in self._copied_parts.items():
            self._set("parts", topic_id, parts or None)
        for name in self._names_to_rebuild():
            self._rebuild_topic(name)
        changes: dict[str, Any] = {**self._scalars, **self._tables}
        return replace(self._before, revision=revision, **changes)

    def delta(self, after: ClusterImage) -> ImageDelta:
        """From the image before to the one `finish` gave."""
        names = self._names_to_rebuild()
        return make_delta(
            self._before,
            after,
            names,
            tuple(self._configs),
            tuple(self._brokers),
            self._duties,
            reassignments_changed=self._reassignments,
        )

    def _names_to_rebuild(self) -> list[str]:
        names = dict(self._topic_names)
        by_id = self._reading("topics_by_id")
        for topic_id in self._touched_ids:
            if (topic := by_id.get(topic_id) or self._before.topics_by_id.get(topic_id)) is not None:
                names[topic.name] = None
        return list(names)

    def _rebuild_topic(self, name: str) -> None:
        earlier: TopicImage | None = self._reading("topics").get(name)
        topic = self._topic_image(name)
        if earlier is not None and (topic is None or topic.topic_id != earlier.topic_id):
            self._set("topics_by_id", earlier.topic_id, None)
        if topic is not None:
            self._set("topics_by_id", topic.topic_id, topic)
        if earlier is not None or topic is not None:
            self._set("topics", name, topic)

    def _topic_image(self, name: str) -> TopicImage | None:
        entry: TopicEntry | None = self._reading("entries").get(name)
        if entry is None or entry.record.state != "live":
            return None
        parts = self._reading("parts").get(entry.topic_id, EMPTY)
        partitions = tuple([parts[index] for index in range(entry.record.partitions)])
        configs = self._reading("configs").get(("topic", name), EMPTY)
        return TopicImage(name, entry.topic_id, partitions, configs, entry.mod_revision)


HANDLERS: dict[str, Apply] = {
    "meta": ImageBuilder._meta,
    "ctl/leader": ImageBuilder._controller,
    "broker": ImageBuilder._broker,
    "live": ImageBuilder._live,
    "topic": ImageBuilder._topic,
    "collide": ImageBuilder._collision,
    "part": ImageBuilder._partition,
    "cfg": ImageBuilder._config,
    "deleted": ImageBuilder._deleted,
    "intent": ImageBuilder._intent,
    "load": ImageBuilder._load,
    "suspect": ImageBuilder._suspect,
    "history": ImageBuilder._history,
}


def broker_image(broker_id: int, value: bytes, revision: Revision) -> BrokerImage:
    record = decode(BrokerRecord, value)
    return BrokerImage(
        broker_id,
        record.epoch,
        record.incarnation,
        record.endpoints,
        record.rack,
        record.directory_id,
        record.predecessor_epoch,
        record.fenced,
        record.draining,
        revision,
        record.gray,
    )


def full_delta(before: ClusterImage, after: ClusterImage) -> ImageDelta:
    """From any image to any later one, as after a new snapshot."""
    names = list(dict.fromkeys([*before.topics, *after.topics]))
    configs = [key for key in dict.fromkeys([*before.configs, *after.configs])
               if before.configs.get(key) != after.configs.get(key)]  # fmt: skip
    brokers = [broker for broker in sorted({*before.brokers, *after.brokers})
               if before.brokers.get(broker) != after.brokers.get(broker)]  # fmt: skip
    return make_delta(before, after, names, tuple(configs), tuple(brokers), True, reassignments_changed=True)


def make_delta(
    before: ClusterImage,
    after: ClusterImage,
    names: Iterable[str],
    configs: tuple[ConfigKey, ...],
    brokers: tuple[int, ...],
    duties_changed: bool,
    *,
    reassignments_changed: bool,
) -> ImageDelta:
    created, deleted, partitions = list[TopicImage](), list[TopicImage](), list[PartitionDelta]()
    for name in names:
        old, new = before.topics.get(name), after.topics.get(name)
        if old is not None and (new is None or new.topic_id != old.topic_id):
            deleted.append(old)
            partitions += [PartitionDelta(old, index, part, None) for index, part in enumerate(old.partitions)]
            old = None
        if new is not None and old is None:
            created.append(new)
        if new is not None:
            partitions += _changed_partitions(old, new)
    return ImageDelta(
        before,
        after,
        tuple(created),
        tuple(deleted),
        tuple(partitions),
        configs,
        brokers,
        (before.controller_id, before.controller_epoch) != (after.controller_id, after.controller_epoch),
        duties_changed,
        reassignments_changed,
    )


def _changed_partitions(old: TopicImage | None, new: TopicImage) -> list[PartitionDelta]:
    earlier: tuple[PartitionImage, ...] = () if old is None else old.partitions
    changed = [
        PartitionDelta(new, index, before, after)
        for index, (before, after) in enumerate(zip(earlier, new.partitions, strict=False))
        if before is not after and before != after
    ]
    return changed + [
        PartitionDelta(new, index, None, new.partitions[index]) for index in range(len(earlier), len(new.partitions))
    ]
