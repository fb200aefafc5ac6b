"""Messages in a stream of bytes: the length in four bytes, then the message. No I/O."""

LENGTH_BYTES = 4


class FrameTooLargeError(Exception):
    """The other side announces more than it may send."""


class FrameReader:
    """Cuts what arrives into messages of at most `bytes_max`."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._received = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises FrameTooLargeError, before anything is kept for the message."""
        received, position, messages = self._received, 0, []
        received += data
        while len(received) - position >= LENGTH_BYTES:
            begin = position + LENGTH_BYTES
            length = int.from_bytes(received[position:begin])
            if length > self._bytes_max:
                raise FrameTooLargeError(f"a message of {length} bytes, at most {self._bytes_max} are taken")
            if len(received) < begin + length:
                break
            messages.append(bytes(received[begin : begin + length]))
            position = begin + length
        del received[:position]
        return messages


def frame(message: bytes) -> bytes:
    """The message as it is sent."""
    return len(message).to_bytes(LENGTH_BYTES) + message
