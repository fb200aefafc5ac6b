"""Messages come out of a stream of bytes as they went in, however the stream is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odradek.metastore.shared.framing import FrameReader, FrameTooLargeError, frame


@given(st.lists(st.binary(max_size=40), max_size=20), st.lists(st.integers(0, 900), max_size=20))
def test_messages_arrive_whole_and_in_order(messages: list[bytes], cuts: list[int]) -> None:
    stream, reader = b"".join(frame(message) for message in messages), FrameReader(40)
    points = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    arrived = [reader.feed(stream[start:end]) for start, end in itertools.pairwise(points)]
    assert [message for part in arrived for message in part] == messages


def test_a_message_that_is_too_large_is_refused_by_its_length_alone() -> None:
    with pytest.raises(FrameTooLargeError, match="at most 100"):
        FrameReader(100).feed((101).to_bytes(4))
