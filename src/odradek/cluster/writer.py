"""Compare-and-swap on the metadata store, tried until its outcome is known.

A transaction whose reply was lost is repeated as it is: its comparisons fail once it has been applied, so it cannot
be applied twice; and its first put holds a value nobody else writes (an `op_id`), so finding that value settles it.
"""

import asyncio
import random
from collections.abc import Sequence

from odradek.cluster.results import MetadataFull, MetadataUnavailable
from odradek.metastore.store import (
    KV,
    Compare,
    MetadataStore,
    NotApplied,
    Operation,
    OutcomeUnknown,
    Put,
    Revision,
    StoreFailed,
    StoreFull,
    Target,
)

ATTEMPT_TIMEOUT_S = 5.0
BACKOFF_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def absent(key: bytes) -> Compare:
    return Compare(key, Target.CREATE, 0)


def unchanged(key: bytes, mod_revision: Revision) -> Compare:
    """The key is as it was at its `mod_revision`; 0 means that it does not exist."""
    return Compare(key, Target.MOD, mod_revision)


class Writer:
    """Every write of a broker to the store goes through here."""

    def __init__(self, store: MetadataStore, source: random.Random, *, timeout_s: float = 15.0) -> None:
        self._store, self._random, self._timeout_s = store, source, timeout_s
        self.max_operations = 0

    def new_op_id(self) -> str:
        return f"{self._random.getrandbits(64):016x}"

    async def commit(self, when: Sequence[Compare], then: Sequence[Operation]) -> Revision | None:
        """The revision it was applied at; None when the comparisons failed. Raises MetadataUnavailable, LeaseLost.

        MetadataFull comes at once, and so does the end of a store whose disk has failed: waiting would not help.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        is_uncertain = False
        for attempt in range(1_000_000):
            try:
                result = await self._store.txn(when, then, timeout=ATTEMPT_TIMEOUT_S)
                if result.succeeded:
                    return result.revision
                return await self._find_own(then) if is_uncertain else None
            except OutcomeUnknown as error:
                is_uncertain, problem = True, error
            except StoreFull as error:
                raise MetadataFull(str(error)) from error
            except StoreFailed as error:
                raise MetadataUnavailable(str(error)) from error
            except NotApplied as error:
                problem = error  # type: ignore[assignment]
            await self._back_off(attempt, deadline, problem)
        raise AssertionError("unreachable: the deadline comes first")

    async def _find_own(self, then: Sequence[Operation]) -> Revision | None:
        """Deletions alone leave nothing to recognise: then it is enough that the first key is gone."""
        put = next((operation for operation in then if isinstance(operation, Put)), None)
        found, revision = await self._store.get(then[0].key if put is None else put.key)
        if put is None:
            return revision if found is None else None
        return found.mod_revision if found is not None and found.value == put.value else None

    async def get(self, key: bytes) -> tuple[KV | None, Revision]:
        """Linearizable read. Raises MetadataUnavailable."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        for attempt in range(1_000_000):
            try:
                return await self._store.get(key)
            except StoreFailed as error:
                raise MetadataUnavailable(str(error)) from error
            except NotApplied as error:
                await self._back_off(attempt, deadline, error)
        raise AssertionError("unreachable: the deadline comes first")

    async def _back_off(self, attempt: int, deadline: float, problem: Exception) -> None:
        if asyncio.get_running_loop().time() >= deadline:
            raise MetadataUnavailable(str(problem)) from problem
        await asyncio.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)] * self._random.uniform(0.5, 1.0))
