"""ApiVersions (API key 18), versions 0-4.

0: error code, APIs. 1: throttle time. 3: flexible, client software name and version (KIP-511), features (KIP-584).
4: features whose lowest version is 0 may be listed. The response's header is never flexible. A version not supported
here is answered in version 0, so that a client of any age learns what it may use.
"""

import re
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.call import Call
from odradek.broker.handlers.data_host import DataHost
from odradek.wire import messages
from odradek.wire.apis import API_VERSIONS, APIS, BY_KEY

FIRST_WITH_SOFTWARE_NAME = 3
SOFTWARE_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(broker: DataHost, call: Call) -> Any:
    request, types = call.request, call.types
    error = ErrorCode.none
    if call.version >= FIRST_WITH_SOFTWARE_NAME:
        name, version = request.client_software_name, request.client_software_version
        if SOFTWARE_NAME.fullmatch(name) and SOFTWARE_NAME.fullmatch(version):
            call.connection.client_software_name, call.connection.client_software_version = name, version
        else:
            error = ErrorCode.invalid_request
    advertised = APIS if error is ErrorCode.none else ()
    return types.ApiVersionsResponse(
        error_code=error,
        api_keys=tuple(
            types.ApiVersion(api_key=api.key, min_version=api.min_version, max_version=api.max_version)
            for api in advertised
        ),
        supported_features=(),
        finalized_features_epoch=broker.cluster.image.revision if error is ErrorCode.none else -1,
        finalized_features=(),
    )


def refuse_version(correlation_id: int) -> bytes:
    """The answer to an unknown version: version 0, with the versions of ApiVersions itself (KIP-511)."""
    types, own = messages.types(API_VERSIONS, 0), BY_KEY[API_VERSIONS]
    response = types.ApiVersionsResponse(
        error_code=ErrorCode.unsupported_version,
        api_keys=(types.ApiVersion(api_key=own.key, min_version=own.min_version, max_version=own.max_version),),
    )
    return messages.write_response(API_VERSIONS, 0, correlation_id, response)
