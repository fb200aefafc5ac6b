"""What the broker answered, as the Kappa layer tells it."""

from confluent_kafka import KafkaError, KafkaException

from odradek.kappa.errors import KappaError


class LogError(KappaError):
    """The log cannot be read, or not any more from where it was asked."""


class UnknownTopicError(LogError):
    """There is no such topic."""


def told(error: object) -> str:
    """One line of librdkafka's error."""
    if isinstance(error, KafkaException) and error.args:
        error = error.args[0]
    return error.str().rstrip(".") if isinstance(error, KafkaError) else str(error)
