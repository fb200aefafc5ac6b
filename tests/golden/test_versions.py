"""Which APIs and versions are advertised, and what happens to a request of any other."""

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire.apis import API_VERSIONS, APIS, BY_KEY, FIRST_PRODUCE_VERSION, PRODUCE
from tests.golden.case import CLIENT_ID
from tests.golden.frames import CORRELATION_ID, read_response
from tests.golden.test_golden import exchange
from tests.support.wire_client import SIZE

Address = tuple[str, int]
DEADLINE_S = 30
KAFKA_VERSIONS = {
    0: (0, 13), 1: (4, 18), 2: (1, 11), 3: (0, 13), 8: (2, 10), 9: (1, 10), 10: (0, 6), 11: (0, 9), 12: (0, 4),
    13: (0, 5), 14: (0, 5), 15: (0, 6), 16: (0, 5), 18: (0, 4), 19: (2, 7), 20: (1, 6), 21: (0, 2), 22: (0, 5),
    23: (2, 4), 32: (1, 4), 33: (0, 2), 35: (1, 5), 37: (0, 3), 42: (0, 2), 43: (0, 2), 44: (0, 1), 45: (0, 1),
    46: (0, 0), 47: (0, 0), 60: (0, 2), 61: (0, 0), 64: (0, 0), 74: (0, 1), 75: (0, 0),
}  # fmt: skip
"""What Apache Kafka 4.3.1 tells clients about the APIs that are served here."""
NOT_SERVED = (4, 5, 6, 7, 17, 24, 25, 26, 27, 28, 34, 48, 55, 57, 65, 66, 68, 69, 71, 76, 88, 93, 999, -1)


def test_every_api_is_advertised_in_kafkas_versions() -> None:
    assert {api.key: (api.min_version, api.max_version) for api in APIS} == KAFKA_VERSIONS


def test_no_api_is_advertised_twice() -> None:
    assert len(APIS) == len(KAFKA_VERSIONS)


def request_start(api_key: int, version: int) -> bytes:
    """A header and nothing: enough to be refused."""
    header = api_key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True)
    client_id = CLIENT_ID.encode()
    return header + SIZE.pack(CORRELATION_ID) + len(client_id).to_bytes(2, "big") + client_id


def outside_the_range() -> list[tuple[int, int]]:
    versions = [(api.key, version) for api in APIS for version in (api.min_version - 1, api.max_version + 1)]
    refused_produce = [(PRODUCE, version) for version in range(FIRST_PRODUCE_VERSION)]
    unknown = [(api_key, 0) for api_key in NOT_SERVED]
    return [each for each in versions + refused_produce + unknown if each[0] != API_VERSIONS]


@pytest.mark.parametrize(("api_key", "version"), outside_the_range())
def test_a_version_that_is_not_served_ends_the_connection(broker_address: Address, api_key: int, version: int) -> None:
    assert asyncio.run(until_the_end(broker_address, request_start(api_key, version))) == b""


async def until_the_end(address: Address, content: bytes) -> bytes:
    """Everything that comes before the broker closes the connection."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(SIZE.pack(len(content)) + content)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@pytest.mark.parametrize("version", [5, 6, 99, 32767, -1])
def test_an_unknown_version_of_api_versions_is_told_the_known_ones(broker_address: Address, version: int) -> None:
    answer = asyncio.run(exchange(broker_address, request_start(API_VERSIONS, version) + b"\0"))
    response = read_response("api_versions", 0, answer)
    assert response.error_code is ErrorCode.unsupported_version
    assert [(each.api_key, each.min_version, each.max_version) for each in response.api_keys] == [
        (API_VERSIONS, BY_KEY[API_VERSIONS].min_version, BY_KEY[API_VERSIONS].max_version)
    ]
