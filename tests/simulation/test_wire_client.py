"""The tests' own client finds each response by its correlation id, on both kinds of loop."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer

from odradek.simulation import SimulatedLoop
from tests.support.wire_client import SIZE, WireClient, schema

API, VERSION = "api_versions", 3


def answer_to(frame: bytes) -> bytes:
    """An ApiVersions response whose one API's version tells which request it answers."""
    request = schema(API, VERSION).ApiVersionsRequest
    header, size = entity_reader(request.__header_schema__)(frame, 0)
    entity, _ = entity_reader(request)(frame, size)
    api = schema(API, VERSION, "response")
    response = api.ApiVersionsResponse(
        error_code=ErrorCode.none,
        api_keys=(api.ApiVersion(api_key=18, min_version=0, max_version=int(entity.client_software_version)),),
        throttle_time=timedelta(0),
    )
    out = BytesIO()
    entity_writer(api.ApiVersionsResponse.__header_schema__)(
        out, api.ApiVersionsResponse.__header_schema__(correlation_id=header.correlation_id)
    )
    entity_writer(api.ApiVersionsResponse)(out, response)
    return SIZE.pack(len(out.getvalue())) + out.getvalue()


async def serve_in_reverse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer five requests, the last one first; then hang up on the sixth."""
    frames = [await reader.readexactly(SIZE.unpack(await reader.readexactly(4))[0]) for _ in range(5)]
    for frame in reversed(frames):
        writer.write(answer_to(frame))
    await reader.readexactly(4)
    writer.close()


def request(number: int) -> Any:
    return schema(API, VERSION).ApiVersionsRequest(client_software_name="test", client_software_version=str(number))


async def scenario() -> list[int]:
    server = await asyncio.start_server(serve_in_reverse, "127.0.0.1", 0)
    async with server:
        client = await WireClient.connect("127.0.0.1", server.sockets[0].getsockname()[1])
        async with client:
            responses = await asyncio.gather(*(client.send(request(number)) for number in range(5)))
            with pytest.raises(ConnectionError):
                await client.request(request(5))
            with pytest.raises(ConnectionError):
                await client.request(request(6))
    return [response.api_keys[0].max_version for response in responses]


def on_simulated_loop(run: Callable[[], Awaitable[list[int]]]) -> list[int]:
    return SimulatedLoop(seed=1).run_until_complete(run())


def on_real_loop(run: Callable[[], Awaitable[list[int]]]) -> list[int]:
    with asyncio.Runner() as runner:
        return runner.run(run())  # type: ignore[arg-type]


@pytest.mark.parametrize("loop", [on_simulated_loop, on_real_loop])
def test_pipelined_requests_get_their_own_responses_and_an_end_fails_the_rest(loop: Any) -> None:
    assert loop(scenario) == [0, 1, 2, 3, 4]
