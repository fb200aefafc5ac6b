"""A broker whose files were damaged while it was down: bits of a segment or of what is derived from it have flipped.

Whatever it makes of that, it starts and serves every other partition and everything below the damage; what it serves
beyond is what was stored, or does not match its checksum, as a client sees; what is derived from records is made anew.
"""

from random import Random
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.wire.errors import InvalidBatchError
from odradek.wire.records import batches, crc_is_valid
from tests.simulation import broker_requests as requests
from tests.simulation.broker_script import EVENTS, SHORT, SYNCED, Action, Script
from tests.simulation.broker_steps import DIRECTORY, BrokerSteps
from tests.simulation.promises import Topic
from tests.support.history import Sent
from tests.support.wire_client import WireClient

DAMAGED_BYTES_MAX = 600
DERIVED_CHANCE = 0.4
FETCH_BYTES = 3000


class DamageScript(Script):
    """Written, stopped in good order, and looked at."""

    def actions(self) -> list[Action]:
        return [*self.first_half(), self.stop]


class BrokerDamage(BrokerSteps):
    """One run; the damage comes at the first start after the stop."""

    def __init__(self, seed: int, *, replay: str) -> None:
        super().__init__(seed >> 16, (), flushed=False, script=DamageScript, replay=replay)
        self.draw = Random(f"{seed} damage")
        self.damaged: str | None = None
        """The topic with a damaged segment."""
        self.intact_offset = 0
        """Everything below it was not touched."""

    def start(self) -> None:
        if self.machine.starts == 1:
            self.harm()
        super().start()

    def harm(self) -> None:
        topic = self.draw.choice((EVENTS, SYNCED, SHORT))
        files = self.machine.disk.mount()
        directory = f"{DIRECTORY}/{topic}-0"
        names = sorted(name for name in files.listdir(directory) if files.stat(f"{directory}/{name}").size)
        segments = [name for name in names if name.endswith(".log")]
        derived = [name for name in names if name.endswith(("index", ".snapshot", "leader-epoch-checkpoint"))]
        if derived and self.draw.random() < DERIVED_CHANCE:
            self.flip(f"{directory}/{self.draw.choice(derived)}")
            return
        name = self.draw.choice(segments)
        position = self.flip(f"{directory}/{name}")
        self.damaged, self.intact_offset = topic, self.offset_at(f"{directory}/{name}", position)

    def flip(self, path: str) -> int:
        """Some bytes; the position of the first."""
        size = self.machine.disk.mount().stat(path).size
        position = self.draw.randrange(size)
        self.content = self.read_all(path)
        self.machine.disk.damage(path, position, self.draw.randint(1, DAMAGED_BYTES_MAX))
        return position

    def read_all(self, path: str) -> bytes:
        files = self.machine.disk.mount()
        fd, content = files.open(path, 0), bytearray(files.stat(path).size)
        files.preadv(fd, [content], 0)
        files.close(fd)
        return bytes(content)

    def offset_at(self, path: str, position: int) -> int:
        """Base offset of the batch that was there."""
        found = [header.base_offset for at, header in batches(memoryview(self.content)) if at <= position]
        return found[-1] if found else int(path.rpartition("/")[2].partition(".")[0])

    async def verify_topic(self, client: WireClient, topic: Topic, partitions: int) -> None:
        if topic.name != self.damaged:
            await super().verify_topic(client, topic, partitions)
            return
        sent = [event.value for event in topic.history.events if isinstance(event, Sent)]
        offset = (await requests.bounds(client, topic.name, 0))[0]
        assert offset <= max(self.intact_offset, topic.starts.get(0, 0)), f"{topic.name} begins at {offset}"
        while offset < self.intact_offset:
            answer = await client.fetch(topic.name, 0, offset, max_wait_ms=0, max_bytes=FETCH_BYTES, timeout=3.0)
            assert answer.error_code is ErrorCode.none, f"offset {offset} below the damage: {answer.error_code.name}"
            offset = self.check_records(answer, offset, sent)
        await self.look_beyond(client, topic, offset, sent)

    async def look_beyond(self, client: WireClient, topic: Topic, offset: int, sent: list[str]) -> None:
        """An error is an answer there; a record that was never stored is not."""
        answer = await client.fetch(topic.name, 0, offset, max_wait_ms=0, max_bytes=1 << 20, timeout=3.0)
        if answer.error_code is ErrorCode.none and answer.records:
            self.check_records(answer, offset, sent)

    def check_records(self, answer: Any, offset: int, sent: list[str]) -> int:
        """The offset after them; from the first batch on that is visibly damaged there is nothing to be had."""
        found = [(at, value) for at, value in self.intact_records(answer) if at >= offset]
        for at, value in found:
            assert sent[at] == value, f"offset {at} holds {value!r} and was {sent[at]!r}"
        assert found or offset >= self.intact_offset, f"nothing at offset {offset}, below the damage"
        return found[-1][0] + 1 if found else offset

    def intact_records(self, answer: Any) -> list[tuple[int, str]]:
        view = memoryview(answer.records or b"")
        found: list[tuple[int, str]] = []
        try:
            for at, header in batches(view):
                if not crc_is_valid(view, at, header):
                    break
                found += requests.decoded(view[at : at + header.size])
        except InvalidBatchError:
            pass
        return found
