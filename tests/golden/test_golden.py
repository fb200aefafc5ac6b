"""Every advertised API in every version: the stored bytes are sent to a broker, and the whole answer is checked."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.golden.case import CLIENT_ID, Golden, answered_versions
from tests.golden.cases import GOLDENS
from tests.golden.frames import differences, read_response, request_bytes
from tests.golden.store import stored, stored_names
from tests.support.wire_client import SIZE, WireClient

Address = tuple[str, int]
DEADLINE_S = 30

goldens = pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)


def test_every_advertised_version_has_a_golden_request() -> None:
    assert {(golden.case.api, golden.version) for golden in GOLDENS} == set(answered_versions())


def test_every_stored_request_belongs_to_a_case() -> None:
    assert stored_names() == {golden.name for golden in GOLDENS}


@goldens
def test_a_request_is_written_as_it_was_stored(golden: Golden) -> None:
    assert request_bytes(golden) == stored(golden.case.api)[golden.name]


@pytest.fixture(scope="module")
def cluster_id(broker_address: Address) -> str:
    async def ask() -> str:
        async with await WireClient.connect(*broker_address) as client:
            return str((await client.metadata([])).cluster_id)

    return asyncio.run(ask())


@goldens
def test_a_stored_request_gets_the_answer_of_its_version(
    broker_address: Address, cluster_id: str, golden: Golden
) -> None:
    assert asyncio.run(answered_differently(golden, broker_address, cluster_id)) == []


async def answered_differently(golden: Golden, address: Address, cluster_id: str) -> list[str]:
    """Sends the stored bytes where their case is prepared; what in the answer is not as expected."""
    case, place = golden.case, golden.place()
    (place.host, place.port), place.cluster_id = address, cluster_id
    async with await WireClient.connect(*address, client_id=CLIENT_ID) as client:
        await case.prepare(client, place)
        content = await exchange(address, place.filled(stored(case.api)[golden.name]))
        found = list(differences(case.response(place), read_response(case.api, golden.version, content)))
        if not found:
            await case.verify(client, place)
        return found


async def exchange(address: Address, content: bytes) -> bytes:
    """One frame there, one back, and nothing after it."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(SIZE.pack(len(content)) + content)
        (size,) = SIZE.unpack(await reader.readexactly(SIZE.size))
        answer = await reader.readexactly(size)
        writer.write_eof()
        assert await reader.read() == b"", "bytes after the response"
        writer.close()
        await writer.wait_closed()
        return answer


def test_what_is_expected_can_be_missed() -> None:
    """The comparison sees a wrong value, a missing expectation and an item too many."""
    assert list(_misses()) == [3, 2]


def _misses() -> Iterator[int]:
    from tests.support.requests import request

    entity = request("heartbeat", 3, group_id="g", generation_id=1, member_id="m", group_instance_id="i")
    yield len(list(differences({"group_id": "x", "generation_id": 2, "member_id": "m"}, entity)))
    entity = request("describe_groups", 3, groups=["a", "b"], include_authorized_operations=True)
    yield len(list(differences({"groups": ["x"], "include_authorized_operations": True}, entity)))
