"""IncrementalAlterConfigs (API key 44), versions 0-1 (KIP-339). 1: flexible.

Topics, brokers (an empty name: the default of all brokers) and groups. A broker's new values count at once.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.broker.config_resources import ALTERABLE, alter_each
from odradek.cluster.results import ConfigChange, ConfigOp, ConfigResult

OPERATIONS = {each.value: each for each in ConfigOp}


async def handle(broker: AdminHost, call: Call) -> Any:
    async def change(resource: Any) -> ConfigResult:
        unknown = [config.config_operation for config in resource.configs if config.config_operation not in OPERATIONS]
        if unknown:
            return ConfigResult(ErrorCode.invalid_request, f"Unknown operation type {unknown[0]}")
        return await broker.cluster.alter_configs(
            ALTERABLE[resource.resource_type],
            resource.resource_name,
            [ConfigChange(each.name, OPERATIONS[each.config_operation], each.value) for each in resource.configs],
            validate_only=call.request.validate_only,
        )

    return call.types.IncrementalAlterConfigsResponse(responses=await alter_each(broker, call, change))
