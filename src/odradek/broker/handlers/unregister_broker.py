"""UnregisterBroker (API key 64), version 0 (KIP-500).

As in Kafka it is not asked whether the broker still runs or has replicas: `odradek cluster remove` asks.
"""

from datetime import timedelta
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost, within
from odradek.broker.call import Call
from odradek.cluster.results import MetadataUnavailable, UnregisterResult, refusal

TIMEOUT = timedelta(seconds=30)
"""The request has none of its own."""


async def handle(broker: AdminHost, call: Call) -> Any:
    try:
        result = await within(TIMEOUT, broker.cluster.unregister_broker(call.request.broker_id))
    except (TimeoutError, MetadataUnavailable):
        refused = refusal(ErrorCode.request_timed_out)
        result = UnregisterResult(refused.error, refused.message)
    return call.types.UnregisterBrokerResponse(error_code=result.error, error_message=result.message)
