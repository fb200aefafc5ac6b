"""DeleteGroups (API key 42), versions 0-2. 2: flexible."""

from typing import Any

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost
from odradek.host.pace import paced


async def handle(broker: GroupHost, call: Call) -> Any:
    """Each group once, all at the same time."""
    group_ids = list(dict.fromkeys(call.request.groups_names))
    deletions = [(group_id, broker.groups.delete_group(group_id)) async for group_id in paced(group_ids)]
    results = [
        call.types.DeletableGroupResult(group_id=group_id, error_code=await deletion)
        async for group_id, deletion in paced(deletions)
    ]
    return call.types.DeleteGroupsResponse(results=tuple(results))
