"""SyncGroup (API key 14), versions 0-5.

1: throttle time. 3: group instance id (KIP-345). 4: flexible. 5: protocol type and name, which must be there (KIP-559).
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.groups.vocabulary import SyncRequest, SyncResult

PROTOCOL_SINCE = 5


async def handle(broker: GroupHost, call: Call) -> Any:
    """Waits until the leader's assignment is stored."""
    request = call.request
    protocol_type = getattr(request, "protocol_type", None)
    protocol_name = getattr(request, "protocol_name", None)
    if call.version >= PROTOCOL_SINCE and (protocol_type is None or protocol_name is None):
        return _response(call, SyncResult(ErrorCode.inconsistent_group_protocol))
    sync = SyncRequest(
        request.group_id,
        request.member_id,
        getattr(request, "group_instance_id", None),
        request.generation_id,
        protocol_type,
        protocol_name,
        {each.member_id: each.assignment for each in request.assignments},
    )
    return _response(call, await broker.groups.sync(sync))


def _response(call: Call, result: SyncResult) -> Any:
    return call.types.SyncGroupResponse(
        error_code=result.error,
        protocol_type=result.protocol_type,
        protocol_name=result.protocol_name,
        assignment=result.assignment,
    )
