"""Transactions that are settled when their outcome is unknown, though they have no `op_id` by which to see it.

The client marks each with a comparison of its own, which always holds; the store remembers the outcome of each mark and
tells it again instead of carrying a transaction out twice.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from odradek.metastore.limits import Limits
from odradek.metastore.shared.store import SocketStore
from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.store import Compare, Operation, OutcomeUnknown, Target, TxnResult

MARK = b"\xff\xffmark"
MARK_BYTES = len(MARK) + 8 + 8
"""What the limits count for it: key and operand."""

_numbers = count()


class RememberingStore(SqliteStore):
    """`outcomes` outlives it."""

    def __init__(self, path: str, outcomes: "dict[bytes, asyncio.Task[TxnResult]]") -> None:
        limits = Limits()
        super().__init__(path, limits=replace(limits, max_bytes=limits.max_bytes + MARK_BYTES))
        self._outcomes = outcomes

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        (mark, *rest) = when
        assert mark.key.startswith(MARK)
        if mark.key not in self._outcomes:
            asked = super().txn(rest, then, otherwise, timeout=timeout)
            self._outcomes[mark.key] = asyncio.ensure_future(asked)
        return await asyncio.shield(self._outcomes[mark.key])


class SettlingClient(SocketStore):
    """Asks again until it knows."""

    async def txn(
        self,
        when: Sequence[Compare],
        then: Sequence[Operation],
        otherwise: Sequence[Operation] = (),
        *,
        timeout: float,
    ) -> TxnResult:
        mark = Compare(MARK + b"%08d" % next(_numbers), Target.CREATE, 0)
        while True:
            try:
                return await super().txn((mark, *when), then, otherwise, timeout=timeout)
            except OutcomeUnknown:
                continue
