"""DeleteGroups (API key 42), versions 0-2. 2: flexible."""

import asyncio
from typing import Any

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost


async def handle(broker: GroupHost, call: Call) -> Any:
    """Each group once, all at the same time."""
    group_ids = list(dict.fromkeys(call.request.groups_names))
    errors = await asyncio.gather(*[broker.groups.delete_group(group_id) for group_id in group_ids])
    results = [
        call.types.DeletableGroupResult(group_id=group_id, error_code=error)
        for group_id, error in zip(group_ids, errors, strict=True)
    ]
    return call.types.DeleteGroupsResponse(results=tuple(results))
