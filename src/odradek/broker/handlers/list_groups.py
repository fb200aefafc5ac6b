"""ListGroups (API key 16), versions 0-5.

1: throttle time. 3: flexible. 4: group states and a filter by state (KIP-518). 5: group types and a filter by type
(KIP-848). Filters do not mind case; a state or type that does not exist matches nothing.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.groups.group import GROUP_TYPE, ClassicGroup


def handle(broker: GroupHost, call: Call) -> Any:
    groups = broker.groups.groups()
    if isinstance(groups, ErrorCode):
        return call.types.ListGroupsResponse(error_code=groups, groups=())
    states = {state.strip().lower() for state in getattr(call.request, "states_filter", ())}
    types = {type_.lower() for type_ in getattr(call.request, "types_filter", ())}
    listed = [_listed(call, group) for group in groups if _matches(group, states, types)]
    return call.types.ListGroupsResponse(error_code=ErrorCode.none, groups=tuple(listed))


def _matches(group: ClassicGroup, states: set[str], types: set[str]) -> bool:
    return (not states or group.state.value.lower() in states) and (not types or GROUP_TYPE in types)


def _listed(call: Call, group: ClassicGroup) -> Any:
    return call.types.ListedGroup(
        group_id=group.group_id,
        protocol_type=group.protocol_type or "",
        group_state=group.state.value,
        group_type=GROUP_TYPE,
    )
