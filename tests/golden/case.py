"""A golden case: one request in one version, what must be there before, and the whole answer."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from odradek.wire.apis import APIS, FIRST_PRODUCE_VERSION, PRODUCE
from odradek.wire.record_codec import Record, encode_batch
from tests.support.wire_client import WireClient

TOPIC_ID = UUID("70906c64-656e-4070-a964-746f70696369")
CLIENT_ID = "golden"
MEMBER_ID = "golden-00000000-aaaa-4bbb-8ccc-dddddddddddd"
SESSION_ID = 0x51DE55E5
START_MS = 1_700_000_000_000

Values = Mapping[str, Any]


@dataclass(slots=True)
class Place:
    """Where a case happens. The ids are stand-ins until the case is prepared."""

    api: str
    version: int
    name: str
    host: str = ""
    port: int = 0
    cluster_id: str = ""
    topic_id: UUID = TOPIC_ID
    member_id: str = MEMBER_ID
    session_id: int = SESSION_ID

    def filled(self, stored: bytes) -> bytes:
        """The stored request with the ids of this place instead of the stand-ins."""
        member_id = self.member_id.encode()
        assert len(member_id) == len(MEMBER_ID)
        session_id = self.session_id.to_bytes(4, "big", signed=True)
        filled = stored.replace(TOPIC_ID.bytes, self.topic_id.bytes).replace(MEMBER_ID.encode(), member_id)
        return filled.replace(SESSION_ID.to_bytes(4, "big"), session_id)


Step = Callable[[WireClient, Place], Awaitable[None]]


async def nothing(_: WireClient, __: Place) -> None:
    """Nothing to prepare, or nothing more to look at."""


@dataclass(frozen=True, slots=True)
class Case:
    """`request` and `response` hold the fields of all versions; a version takes those it has, all of them.

    `prepare` makes what the request needs and fills in the place's ids; `verify` looks at what the request has done.
    """

    api: str
    request: Callable[[Place], Values]
    response: Callable[[Place], Values]
    prepare: Step = nothing
    verify: Step = nothing
    variant: str = ""
    first_version: int = 0
    last_version: int = field(default=99)


@dataclass(frozen=True, slots=True)
class Golden:
    """A case in one version."""

    case: Case
    version: int

    @property
    def name(self) -> str:
        return "-".join(part for part in (self.case.api, self.case.variant, f"v{self.version}") if part)

    def place(self) -> Place:
        """With stand-ins for everything a broker decides."""
        return Place(self.case.api, self.version, self.name)


def answered_versions() -> Iterator[tuple[str, int]]:
    """Every advertised version; of Produce those that are served."""
    for api in APIS:
        first = FIRST_PRODUCE_VERSION if api.key == PRODUCE else api.min_version
        yield from ((api.name, version) for version in range(first, api.max_version + 1))


def in_versions(cases: list[Case]) -> list[Golden]:
    return [
        Golden(case, version)
        for case in cases
        for api, version in answered_versions()
        if api == case.api and case.first_version <= version <= case.last_version
    ]


def batch(count: int = 3, **header: Any) -> bytes:
    """Keyed records `value-0`, `value-1`, ... one second apart from `START_MS` on."""
    records = [Record(index, START_MS + 1000 * index, b"key", b"value-%d" % index) for index in range(count)]
    return encode_batch(records, **header)


async def make_topic(client: WireClient, place: Place, *, partitions: int = 1, records: bytes | None = None) -> None:
    """The place's topic, with these records in every partition."""
    created = (await client.create_topics({place.name: partitions})).topics[0]
    place.topic_id = created.topic_id
    for partition in range(partitions if records else 0):
        produced = await client.produce(place.name, partition, records or b"")
        assert produced.error_code.value == 0, produced
