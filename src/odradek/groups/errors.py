"""From what went wrong with the partition to what a group's client is told."""

from kio.schema.errors import ErrorCode

_FOR_CLIENTS = {
    ErrorCode.unknown_topic_or_partition: ErrorCode.coordinator_not_available,
    ErrorCode.not_enough_replicas: ErrorCode.coordinator_not_available,
    ErrorCode.not_enough_replicas_after_append: ErrorCode.coordinator_not_available,
    ErrorCode.request_timed_out: ErrorCode.coordinator_not_available,
    ErrorCode.not_leader_or_follower: ErrorCode.not_coordinator,
    ErrorCode.kafka_storage_error: ErrorCode.not_coordinator,
    ErrorCode.message_too_large: ErrorCode.unknown_server_error,
    ErrorCode.record_list_too_large: ErrorCode.unknown_server_error,
}


def for_client(error: ErrorCode) -> ErrorCode:
    """Clients of groups know these errors: to retry, to look for the coordinator again, or to give up."""
    return _FOR_CLIENTS.get(error, error)
