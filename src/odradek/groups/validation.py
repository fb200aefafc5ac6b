"""Whether a classic group allows what is asked about its offsets."""

from kio.schema.errors import ErrorCode

from odradek.groups.group import ClassicGroup
from odradek.groups.state import GroupState


def offset_commit(group: ClassicGroup, member_id: str, instance_id: str | None, generation_id: int) -> ErrorCode:
    """Members commit in their generation; clients outside any generation only while the group is empty."""
    if group.state is GroupState.DEAD:
        return ErrorCode.coordinator_not_available
    if generation_id < 0 and group.state is GroupState.EMPTY:
        return ErrorCode.none
    if generation_id < 0 and not member_id and instance_id is None:
        return ErrorCode.unknown_member_id
    error = group.validate(member_id, instance_id)
    if error is not ErrorCode.none:
        return error
    if generation_id != group.generation_id:
        return ErrorCode.illegal_generation
    if group.state is GroupState.COMPLETING_REBALANCE:
        return ErrorCode.rebalance_in_progress
    return ErrorCode.none


def offset_delete(group: ClassicGroup) -> ErrorCode:
    """Offsets of topics nobody reads can go any time, where subscriptions are known."""
    if group.state is GroupState.DEAD:
        return ErrorCode.group_id_not_found
    if group.state is not GroupState.EMPTY and not group.uses_consumer_protocol:
        return ErrorCode.non_empty_group
    return ErrorCode.none


def delete(group: ClassicGroup) -> ErrorCode:
    """Only an empty group can be deleted."""
    if group.state is GroupState.DEAD:
        return ErrorCode.group_id_not_found
    return ErrorCode.none if group.state is GroupState.EMPTY else ErrorCode.non_empty_group
