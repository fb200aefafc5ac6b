"""ListConfigResources (API key 74), versions 0-1.

0: resources of client metrics, of which there are none (KIP-714). 1: resources of the types asked for, or of every
type (KIP-1142): topics, brokers, and groups that have a configuration.
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.broker.config_resources import ResourceType
from odradek.cluster.image import ClusterImage

KNOWN = frozenset(ResourceType)


def handle(broker: AdminHost, call: Call) -> Any:
    types = (ResourceType.CLIENT_METRICS,) if call.version == 0 else call.request.resource_types or tuple(ResourceType)
    if any(each not in KNOWN for each in types):
        return call.types.ListConfigResourcesResponse(error_code=ErrorCode.unsupported_version, config_resources=())
    found = [
        call.types.ConfigResource(resource_name=name, resource_type=int(each))
        for each in dict.fromkeys(types)
        for name in _names(broker.cluster.image, ResourceType(each))
    ]
    return call.types.ListConfigResourcesResponse(error_code=ErrorCode.none, config_resources=tuple(found))


def _names(image: ClusterImage, resource_type: ResourceType) -> list[str]:
    if resource_type is ResourceType.TOPIC:
        return sorted(image.topics)
    if resource_type is ResourceType.BROKER:
        return [str(broker_id) for broker_id in sorted(image.brokers)]
    if resource_type is ResourceType.GROUP:
        return sorted(name for kind, name in image.configs if kind == "group")
    return []
