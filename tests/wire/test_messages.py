from datetime import timedelta

import pytest
from kio.schema.errors import ErrorCode

from odradek.wire import messages
from odradek.wire.apis import API_VERSIONS, APIS, FIRST_PRODUCE_VERSION, PRODUCE, Api
from odradek.wire.errors import MalformedRequestError
from odradek.wire.frame import read_request_header
from tests.wire.kio_frames import module, read_response, request_content


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_flexible_versions_are_those_of_the_schemas(api: Api) -> None:
    for version in range(FIRST_PRODUCE_VERSION if api.key == PRODUCE else api.min_version, api.max_version + 1):
        messages.preload(api.key, version)
        camel = "".join(part.capitalize() for part in api.name.split("_"))
        request = getattr(module(api.key, version, "request"), f"{camel}Request")
        response = getattr(module(api.key, version, "response"), f"{camel}Response")
        assert request.__api_key__ == api.key
        assert request.__flexible__ == api.is_flexible(version)
        has_flexible_header = response.__header_schema__.__flexible__
        assert has_flexible_header == (api.is_flexible(version) and api.key != API_VERSIONS)


def test_a_request_is_read_with_its_header() -> None:
    api = module(12, 4, "request")
    entity = api.HeartbeatRequest(group_id="g", generation_id=3, member_id="m", group_instance_id=None)
    content = bytearray(b"before" + request_content(entity) + b"after")
    header, read = messages.read_request(content, 6, len(content) - 5)
    assert (header.api_key, header.version, header.correlation_id, header.client_id) == (12, 4, 7, "client")
    assert read == entity


def test_a_client_id_may_be_null() -> None:
    entity = module(12, 0, "request").HeartbeatRequest(group_id="g", generation_id=3, member_id="m")
    content = request_content(entity, client_id=None)
    assert read_request_header(content, 0, len(content)).client_id is None


def test_a_request_keeps_nothing_of_the_buffer() -> None:
    entity = module(12, 0, "request").HeartbeatRequest(group_id="group", generation_id=3, member_id="m")
    content = bytearray(request_content(entity))
    _, read = messages.read_request(content, 0, len(content))
    content[:] = bytes(len(content))
    assert read == entity


def test_a_body_that_is_none_names_the_request() -> None:
    with pytest.raises(MalformedRequestError, match="heartbeat request of version 0"):
        messages.read_body(12, 0, b"\x00\x05abc", 0, 5)


def test_responses_are_framed() -> None:
    types = messages.types(12, 4)
    frame = messages.write_response(12, 4, 99, types.HeartbeatResponse(error_code=ErrorCode.none))
    header, response = read_response(frame, module(12, 4, "response").HeartbeatResponse)
    assert header.correlation_id == 99
    assert response.throttle_time == timedelta(0)
    body = frame[9:]
    assert messages.write_response(12, 4, 99, body) == frame


def test_constructors_drop_what_only_other_versions_have() -> None:
    for version in range(1, 12):
        types = messages.types(2, version)
        answer = types.ListOffsetsPartitionResponse(
            partition_index=1, error_code=ErrorCode.none, timestamp=-1, offset=5, leader_epoch=3
        )
        assert getattr(answer, "leader_epoch", 3) == 3
        assert hasattr(answer, "leader_epoch") == (version >= 4)


def test_a_class_that_only_other_versions_have_is_nothing() -> None:
    assert messages.types(18, 0).SupportedFeatureKey(name="x", min_version=0, max_version=1) is None


def test_mistakes_in_names_fail_loudly() -> None:
    types = messages.types(12, 0)
    with pytest.raises(AttributeError, match="HartbeatResponse"):
        _ = types.HartbeatResponse
    with pytest.raises(TypeError, match="error"):
        types.HeartbeatResponse(error=ErrorCode.none)
    with pytest.raises(TypeError, match="error_code"):
        types.HeartbeatResponse()
