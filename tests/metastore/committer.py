"""A process that commits numbered keys for ever and tells each one once it was acknowledged, until it is killed."""

import asyncio
import sys

from odradek.metastore.sqlite import SqliteStore
from odradek.metastore.store import Put


async def commit_for_ever(path: str) -> None:
    store = SqliteStore(path)
    await store.open()
    number = 0
    while True:
        first, number = number, number + 5
        numbers = range(first, number)
        await asyncio.gather(*[store.txn((), (Put(b"%d" % each, b"x" * 500),), timeout=60) for each in numbers])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(commit_for_ever(sys.argv[1]))
