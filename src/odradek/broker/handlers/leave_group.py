"""LeaveGroup (API key 13), versions 0-5.

0: one member. 1: throttle time. 3: several members, by id or group instance id (KIP-345). 4: flexible. 5: reason
(KIP-800).
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.groups.vocabulary import LeavingMember

BATCH_SINCE = 3


def handle(broker: GroupHost, call: Call) -> Any:
    leaving = _leaving(call)
    error, errors = broker.groups.leave(call.request.group_id, leaving)
    if call.version < BATCH_SINCE:
        if error is ErrorCode.none:
            (error,) = errors
        return call.types.LeaveGroupResponse(error_code=error)
    members = [
        call.types.MemberResponse(member_id=each.member_id, group_instance_id=each.instance_id, error_code=member_error)
        for each, member_error in zip(leaving, errors, strict=False)
    ]
    return call.types.LeaveGroupResponse(error_code=error, members=tuple(members))


def _leaving(call: Call) -> list[LeavingMember]:
    request = call.request
    if call.version < BATCH_SINCE:
        return [LeavingMember(request.member_id)]
    return [LeavingMember(m.member_id, m.group_instance_id, getattr(m, "reason", None)) for m in request.members]
