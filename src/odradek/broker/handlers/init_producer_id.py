"""InitProducerId (API key 22), versions 0-5.

0: idempotent producers. 2: flexible. 3: producer id and epoch of a producer that goes on (KIP-360). 4: PRODUCER_FENCED.
5: clients that know abortable errors (KIP-890).

An idempotent producer always gets a fresh id with epoch 0. There are no transactions: a transactional id is refused
with an error that no client takes for one that passes.
"""

import logging
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.data_host import DataHost
from odradek.cluster.results import MetadataUnavailable

logger = logging.getLogger(__name__)

NONE = -1


async def handle(broker: DataHost, call: Call) -> Any:
    request = call.request
    known = getattr(request, "producer_id", NONE), getattr(request, "producer_epoch", NONE)
    if request.transactional_id is not None:
        return _response(call, ErrorCode.transactional_id_authorization_failed)
    if (known[0] == NONE) != (known[1] == NONE):
        return _response(call, ErrorCode.invalid_request)
    try:
        producer_id = await broker.cluster.allocate_producer_id()
    except MetadataUnavailable as error:
        logger.warning("no producer id could be allocated: %s", error)
        return _response(call, ErrorCode.coordinator_load_in_progress)
    return _response(call, ErrorCode.none, producer_id, 0)


def _response(call: Call, error: ErrorCode, producer_id: int = NONE, producer_epoch: int = NONE) -> Any:
    return call.types.InitProducerIdResponse(error_code=error, producer_id=producer_id, producer_epoch=producer_epoch)
