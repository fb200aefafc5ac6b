"""What a test sees when its broker does not come up or does not stop."""


class BrokerFailedError(RuntimeError):
    """The broker ended, or did not get ready or stop in time. The message ends with the last lines of its log."""
