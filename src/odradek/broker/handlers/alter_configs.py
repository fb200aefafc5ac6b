"""AlterConfigs (API key 33), versions 0-2. 1: throttle time before the answer. 2: flexible.

What is given replaces all that was set for the resource before; IncrementalAlterConfigs is what clients use today.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.broker.config_resources import ALTERABLE, alter_each
from odradek.cluster.results import ConfigResult


async def handle(broker: AdminHost, call: Call) -> Any:
    async def change(resource: Any) -> ConfigResult:
        values = {config.name: config.value for config in resource.configs}
        if len(values) < len(resource.configs):
            return ConfigResult(ErrorCode.invalid_request, "Error due to duplicate config keys")
        return await broker.cluster.replace_configs(
            ALTERABLE[resource.resource_type],
            resource.resource_name,
            values,
            validate_only=call.request.validate_only,
        )

    return call.types.AlterConfigsResponse(responses=await alter_each(broker, call, change))
