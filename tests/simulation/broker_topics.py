"""Scripts about one thing each, so that a crash hits it often: topics that come and go, starts, retention,
bursts."""

import asyncio
from typing import Any, ClassVar

from kio.schema.errors import ErrorCode

from odradek.wire.record_codec import Record, encode_batch
from tests.simulation.broker_script import (
    BROKER,
    PASSING,
    PORT,
    PRODUCE_SECONDS,
    RETENTION_BYTES,
    SHORT,
    SYNCED,
    TIMESTAMP_MS,
    Action,
    Script,
)
from tests.support.history import Acknowledged, Sent
from tests.support.wire_client import WireClient

NAMES = (PASSING, "passing-too")
ROUNDS, BURSTS, BURST = 3, 10, 5
SPREAD_SECONDS = 0.004
"""A flush or two take as long."""


class TopicsScript(Script):
    """Topics are made, written, grown, deleted and made again, without a rest."""

    def actions(self) -> list[Action]:
        comings = [action for _ in range(ROUNDS) for name in NAMES for action in self.come_and_go(name)]
        return [*comings, self.rest(2.5)]

    def come_and_go(self, name: str) -> list[Action]:
        return [
            self.create(name, 1, {}),
            *self.sends(name, 1),
            self.grow(name, 2),
            self.delete(name),
            self.create(name, 1, {}),
            self.delete(name),
        ]


class StartScript(Script):
    """Little more than starts."""

    def actions(self) -> list[Action]:
        return [self.create(SYNCED, 1, {}), *self.sends(SYNCED, 2), self.stop, *self.sends(SYNCED, 1), self.stop]


class RetentionScript(Script):
    """Stopped in good order, written, and shortened by retention, which begins before the log starts are stored."""

    config: ClassVar[dict[str, Any]] = {"log.flush.start.offset.checkpoint.interval.ms": 60_000}

    def actions(self) -> list[Action]:
        configs = {"retention.bytes": str(RETENTION_BYTES), "file.delete.delay.ms": "100", "segment.ms": "1"}
        rounds = [
            action
            for _ in range(ROUNDS)
            for action in (*self.sends(SHORT, 3), self.stop, *self.sends(SHORT, 5), self.rest(2.2))
        ]
        return [self.create(SHORT, 1, configs), *rounds]


class BurstScript(Script):
    """Several producers at once, so that a flush is under way whenever a batch comes."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.values = 0

    def actions(self) -> list[Action]:
        return [self.create(SYNCED, 1, {"flush.messages": "1"}), *[self.burst] * BURSTS]

    async def burst(self, _: WireClient) -> bool:
        """Each over a connection of its own, which is tried once; its outcome may stay unknown."""
        sends = (self.send_one(number) for number in range(BURST))
        for error in await asyncio.gather(*sends, return_exceptions=True):
            if error is not None and not isinstance(error, OSError | TimeoutError):
                raise error
        return True

    async def send_one(self, number: int) -> None:
        topic = self.promises.topics[SYNCED]
        self.values += 1
        value, place = f"{SYNCED}-{self.values}", (SYNCED, 0)
        async with await WireClient.connect(BROKER, PORT) as client:
            await asyncio.sleep(number * SPREAD_SECONDS / BURST)
            topic.history.add(Sent(value, place, value))
            data = encode_batch([Record(0, TIMESTAMP_MS, None, value.encode())])
            answer = await client.produce(SYNCED, 0, data, timeout=PRODUCE_SECONDS)
            if answer.error_code is ErrorCode.none:
                topic.history.add(Acknowledged(place, value, answer.base_offset))
