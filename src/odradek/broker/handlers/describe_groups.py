"""DescribeGroups (API key 15), versions 0-6.

1: throttle time. 3: authorized operations (KIP-430). 4: group instance id (KIP-345). 5: flexible. 6: an unknown group
is GROUP_ID_NOT_FOUND with a message, before that a dead group without error (KIP-1043).
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.groups.group import ClassicGroup
from odradek.groups.member import Member
from odradek.groups.state import GroupState
from odradek.host.pace import paced

NOT_FOUND_SINCE = 6
NOT_REQUESTED = -(1 << 31)
ALL_GROUP_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
"""Read, delete, describe, describe configs, alter configs: without an authorizer everybody may do everything."""


async def handle(broker: GroupHost, call: Call) -> Any:
    groups = [
        _described(call, group_id, broker.groups.group(group_id)) async for group_id in paced(call.request.groups)
    ]
    return call.types.DescribeGroupsResponse(groups=tuple(groups))


def _described(call: Call, group_id: str, group: ClassicGroup | ErrorCode) -> Any:
    if isinstance(group, ErrorCode):
        return _missing(call, group_id, group)
    protocol = group.protocol_name if group.state is GroupState.STABLE else None
    is_asked = getattr(call.request, "include_authorized_operations", False)
    return call.types.DescribedGroup(
        error_code=ErrorCode.none,
        error_message=None,
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=protocol or "",
        members=tuple(_member(call, member, protocol) for member in group.members.values()),
        authorized_operations=ALL_GROUP_OPERATIONS if is_asked else NOT_REQUESTED,
    )


def _missing(call: Call, group_id: str, error: ErrorCode) -> Any:
    is_unknown = error is ErrorCode.group_id_not_found
    return call.types.DescribedGroup(
        error_code=ErrorCode.none if is_unknown and call.version < NOT_FOUND_SINCE else error,
        error_message=f"Group {group_id} not found." if is_unknown else None,
        group_id=group_id,
        group_state=GroupState.DEAD.value if is_unknown else "",
        protocol_type="",
        protocol_data="",
        members=(),
        authorized_operations=NOT_REQUESTED,
    )


def _member(call: Call, member: Member, protocol: str | None) -> Any:
    return call.types.DescribedGroupMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        member_metadata=b"" if protocol is None else member.metadata(protocol),
        member_assignment=member.assignment,
    )
