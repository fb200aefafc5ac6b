"""The follower's side of an incremental fetch session (KIP-227): what the leader knows, and what it has to be told.

Pure. A request says only what differs from what the leader was told before, so a quiet partition costs nothing. Whoever
is not sure that the leader knows something (a lost connection, an answer that does not fit) drops the session: the next
request tells everything, and names the old session so that the leader forgets it.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from kio.schema.errors import ErrorCode

from odradek.wire.replica_fetch import Key, Position

NO_SESSION = 0
INITIAL_EPOCH = 0
_INT32_MAX = 2**31 - 1

POSITIONS_MAX = 10_000
"""In one request, forgotten ones counted apart; what is left over goes into the next, which is sent at once."""


class Asked(NamedTuple):
    """One request's part of the session."""

    session: tuple[int, int]
    """(id, epoch)"""
    positions: dict[Key, Position]
    forgotten: Sequence[Key]
    has_more: bool
    """There was more to tell than one request may hold."""


class ReplicaSession:
    """Use: `want` and `forget`, then `next_request`; then `answered`, or `drop` when there is no answer."""

    __slots__ = ("_asked", "_changed", "_forgotten", "_known", "_wanted", "epoch", "id")

    def __init__(self) -> None:
        self.id = NO_SESSION
        self.epoch = INITIAL_EPOCH
        """Of the next request; the initial one begins a session, in which everything has to be told."""
        self._wanted: dict[Key, Position] = {}
        self._known: dict[Key, Position] = {}
        """What the leader was told in this session, by the last request included; after a drop, in the one before."""
        self._changed: dict[Key, None] = {}
        """Wanted otherwise than known."""
        self._forgotten: dict[Key, None] = {}
        """Known but not wanted."""
        self._asked: Sequence[Key] = ()

    def __len__(self) -> int:
        """Partitions that are wanted."""
        return len(self._wanted)

    def want(self, key: Key, position: Position) -> None:
        """What is to be asked of a partition from now on."""
        self._wanted[key] = position
        self._forgotten.pop(key, None)
        if self.epoch != INITIAL_EPOCH and self._known.get(key) == position:
            self._changed.pop(key, None)
        else:
            self._changed[key] = None

    def forget(self, key: Key) -> None:
        """Nothing is to be asked of it."""
        self._changed.pop(key, None)
        if self._wanted.pop(key, None) is not None and self.epoch != INITIAL_EPOCH and key in self._known:
            self._forgotten[key] = None

    def told(self, key: Key) -> Position | None:
        """What the leader was told of a partition: its answers are for that."""
        return self._known.get(key)

    def next_request(self, positions_max: int = POSITIONS_MAX) -> Asked:
        """Only while something is wanted, and only once the request before was answered or the session dropped."""
        if self.epoch == INITIAL_EPOCH:
            self._known.clear()
        self._asked = asked = list(islice(self._changed, positions_max))
        forgotten = list(islice(self._forgotten, positions_max))
        positions = {}
        for key in asked:
            del self._changed[key]
            positions[key] = self._known[key] = self._wanted[key]
        for key in forgotten:
            del self._forgotten[key], self._known[key]
        return Asked((self.id, self.epoch), positions, forgotten, bool(self._changed or self._forgotten))

    def answered(self, error_code: int, session_id: int, keys: Iterable[Key]) -> bool:
        """Whether the answer may be used: it names no error, and only partitions the leader was told of.

        A first request is answered with every partition; without a session when the leader has no room for one.
        """
        if error_code:
            self.drop(keep_id=error_code != ErrorCode.fetch_session_id_not_found)
            return False
        found = dict.fromkeys(keys)
        fits = all(key in self._known for key in found)
        if self.epoch == INITIAL_EPOCH:
            fits = fits and len(found) == len(self._asked)
        else:
            fits = fits and session_id == self.id
        if not fits or session_id == NO_SESSION:
            self.drop()
            return fits
        self.id = session_id
        self.epoch = 1 if self.epoch == _INT32_MAX else self.epoch + 1
        return True

    def drop(self, *, keep_id: bool = True) -> None:
        """The leader may not know what it was told: begin anew. `keep_id`: and let it forget the old session."""
        if not keep_id:
            self.id = NO_SESSION
        self.epoch = INITIAL_EPOCH
        told = (key for key in self._known if key in self._wanted)
        self._changed.update(dict.fromkeys(told))  # Behind those that have not been asked for: all have their turn.
        self._forgotten.clear()
