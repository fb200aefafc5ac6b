"""Heartbeat (API key 12), versions 0-4.

0: error code. 1: throttle time. 3: group instance id (KIP-345). 4: flexible.
"""

from typing import Any

from odradek.broker.call import Call
from odradek.broker.handlers.group_host import GroupHost


def handle(broker: GroupHost, call: Call) -> Any:
    request = call.request
    instance_id = getattr(request, "group_instance_id", None)
    error = broker.groups.heartbeat(request.group_id, request.member_id, instance_id, request.generation_id)
    return call.types.HeartbeatResponse(error_code=error)
