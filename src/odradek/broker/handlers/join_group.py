"""JoinGroup (API key 11), versions 0-9.

1: rebalance timeout, before it the session timeout. 2: throttle time. 4: new members must join with a known id
(KIP-394). 5: group instance id (KIP-345). 6: flexible. 7: protocol type in the response, null protocol name. 8: reason
(KIP-800). 9: skip assignment (KIP-814).
"""

from typing import Any

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import MILLISECOND, GroupHost
from odradek.groups.vocabulary import JoinRequest, JoinResult, Protocols

KNOWN_MEMBER_ID_SINCE = 4
NULL_PROTOCOL_NAME_SINCE = 7
SKIP_ASSIGNMENT_SINCE = 9


async def handle(broker: GroupHost, call: Call) -> Any:
    """Waits as long as the join phase does."""
    return _response(call, await broker.groups.join(_join_request(broker, call)))


def _join_request(broker: GroupHost, call: Call) -> JoinRequest:
    request = call.request
    client_id = call.client_id or ""
    instance_id = getattr(request, "group_instance_id", None)
    rebalance_timeout = getattr(request, "rebalance_timeout", request.session_timeout)
    return JoinRequest(
        request.group_id,
        request.member_id,
        broker.groups.new_member_id(client_id if instance_id is None else instance_id),
        instance_id,
        client_id,
        f"/{call.peer_host}",
        request.session_timeout // MILLISECOND,
        rebalance_timeout // MILLISECOND,
        request.protocol_type,
        _protocols(request),
        getattr(request, "reason", None) or "",
        call.version >= KNOWN_MEMBER_ID_SINCE,
        call.version >= SKIP_ASSIGNMENT_SINCE,
    )


def _protocols(request: Any) -> Protocols:
    """Each name once."""
    return tuple({protocol.name: protocol.metadata for protocol in request.protocols}.items())


def _response(call: Call, result: JoinResult) -> Any:
    types = call.types
    protocol_name = result.protocol_name
    if protocol_name is None and call.version < NULL_PROTOCOL_NAME_SINCE:
        protocol_name = ""
    members = [
        types.JoinGroupResponseMember(member_id=m.member_id, group_instance_id=m.instance_id, metadata=m.metadata)
        for m in result.members
    ]
    return types.JoinGroupResponse(
        error_code=result.error,
        generation_id=result.generation_id,
        protocol_type=result.protocol_type,
        protocol_name=protocol_name,
        leader=result.leader,
        skip_assignment=result.skip_assignment,
        member_id=result.member_id,
        members=tuple(members),
    )
