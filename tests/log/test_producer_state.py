"""The rules for sequences of idempotent producers."""

from kio.schema.errors import ErrorCode

from odradek.log.producer_state import SEQUENCE_MAX, BatchMetadata, ProducerState, Refusal

PRODUCER = 7


class Producer:
    """Writes through the rules, as a log does: check, then update."""

    def __init__(self) -> None:
        self.state = ProducerState()
        self.offset = 0

    def write(self, sequence: int, count: int = 1, epoch: int = 0) -> BatchMetadata | Refusal | None:
        known = self.state.check(PRODUCER, epoch, sequence, count)
        if known is None:
            last_sequence = (sequence + count - 1) & SEQUENCE_MAX
            self.offset += count
            self.state.update(PRODUCER, epoch, last_sequence, self.offset - 1, count - 1, 5)
        return known


def error_of(known: BatchMetadata | Refusal | None) -> ErrorCode:
    assert isinstance(known, Refusal)
    return known.error


def test_sequences_follow_each_other() -> None:
    producer = Producer()
    assert producer.write(0, 3) is None
    assert producer.write(3) is None
    assert error_of(producer.write(5)) is ErrorCode.out_of_order_sequence_number


def test_a_repeated_batch_is_recognized_among_the_last_five() -> None:
    producer = Producer()
    for sequence in range(0, 12, 2):
        assert producer.write(sequence, 2) is None
    assert producer.write(2, 2) == (3, 3, 1, 5)
    assert producer.write(10, 2) == (11, 11, 1, 5)
    assert error_of(producer.write(0, 2)) is ErrorCode.out_of_order_sequence_number


def test_only_the_very_same_batch_is_a_repetition() -> None:
    producer = Producer()
    producer.write(0, 3)
    assert error_of(producer.write(0, 2)) is ErrorCode.out_of_order_sequence_number
    assert error_of(producer.write(1, 2)) is ErrorCode.out_of_order_sequence_number


def test_an_older_epoch_is_fenced() -> None:
    producer = Producer()
    producer.write(0, epoch=3)
    assert error_of(producer.write(1, epoch=2)) is ErrorCode.invalid_producer_epoch


def test_a_newer_epoch_begins_with_sequence_zero() -> None:
    producer = Producer()
    producer.write(0, 5)
    assert error_of(producer.write(5, epoch=1)) is ErrorCode.out_of_order_sequence_number
    assert producer.write(0, epoch=1) is None
    assert error_of(producer.write(4, epoch=0)) is ErrorCode.invalid_producer_epoch


def test_an_unknown_producer_may_begin_anywhere() -> None:
    assert Producer().write(1234) is None


def test_sequences_wrap_around_after_the_largest() -> None:
    producer = Producer()
    assert producer.write(SEQUENCE_MAX - 1, 2) is None
    assert producer.write(0, 2) is None
    assert producer.write(SEQUENCE_MAX - 1, 2) == (SEQUENCE_MAX, 1, 1, 5)


def test_a_batch_may_itself_wrap_around() -> None:
    producer = Producer()
    assert producer.write(SEQUENCE_MAX, 3) is None
    assert producer.write(2) is None
    assert producer.write(SEQUENCE_MAX, 3) == (1, 2, 2, 5)


def test_silent_producers_are_forgotten_except_within_a_transaction() -> None:
    producer = Producer()
    producer.write(0)
    producer.state.update(8, 0, 0, 9, 0, 5)
    producer.state.entries[8].current_transaction_first_offset = 9
    producer.state.remove_expired(now_ms=104, expiration_ms=100)
    assert list(producer.state.entries) == [PRODUCER, 8]
    producer.state.remove_expired(now_ms=105, expiration_ms=100)
    assert list(producer.state.entries) == [8]
