"""DescribeCluster (API key 60), versions 0-2.

1: the type of endpoint asked for (KIP-919); this is always a broker's. 2: fenced brokers on request (KIP-1073).
"""

from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import CLUSTER_OPERATIONS, AdminHost
from odradek.broker.call import Call
from odradek.broker.topic_metadata import controller_id, reachable_brokers
from odradek.wire.metadata_codec import NO_OPERATIONS

BROKERS, CONTROLLERS = 1, 2


def handle(broker: AdminHost, call: Call) -> Any:
    request = call.request
    endpoint_type = getattr(request, "endpoint_type", BROKERS)
    if endpoint_type == CONTROLLERS:
        message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
        return _refused(call, ErrorCode.mismatched_endpoint_type, message)
    if endpoint_type != BROKERS:
        message = f"Unsupported endpoint type {endpoint_type}"
        return _refused(call, ErrorCode.unsupported_endpoint_type, message)
    image = broker.cluster.image
    include_fenced = getattr(request, "include_fenced_brokers", False)
    with_operations = request.include_cluster_authorized_operations
    return call.types.DescribeClusterResponse(
        error_code=ErrorCode.none,
        error_message=None,
        endpoint_type=BROKERS,
        cluster_id=image.cluster_id,
        controller_id=controller_id(image, call.listener),
        brokers=tuple(
            call.types.DescribeClusterBroker(
                broker_id=each.broker_id, host=host, port=port, rack=each.rack, is_fenced=each.fenced
            )
            for each, host, port in reachable_brokers(image, call.listener, include_fenced=include_fenced)
        ),
        cluster_authorized_operations=CLUSTER_OPERATIONS if with_operations else NO_OPERATIONS,
    )


def _refused(call: Call, error: ErrorCode, message: str) -> Any:
    return call.types.DescribeClusterResponse(
        error_code=error,
        error_message=message,
        endpoint_type=BROKERS,
        cluster_id="",
        controller_id=-1,
        brokers=(),
        cluster_authorized_operations=NO_OPERATIONS,
    )
