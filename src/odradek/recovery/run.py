"""The two halves of a recovery as `odradek cluster survey` and `odradek cluster recover` run them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from odradek.broker.machine import real_host
from odradek.broker.options import StartOptions
from odradek.broker.server import make_store
from odradek.broker.settings import load_config
from odradek.cluster.keys import Keys
from odradek.cluster.results import MetadataUnavailable
from odradek.cluster.writer import Writer
from odradek.config import ConfigError
from odradek.config.metadata import metadata_access
from odradek.metastore.store import MetadataStore, StoreError
from odradek.recovery.apply import Recovery, load
from odradek.recovery.plan import RecoveryPlan, RecoveryRefusedError, make_plan
from odradek.recovery.report import Report, read_report, require_one_each
from odradek.recovery.survey import survey


class RecoveryError(Exception):
    """One line for the operator."""


def survey_directories(options: StartOptions) -> Report:
    """Of the log directories that a broker would have with these options. Raises SurveyError, ConfigError."""

    async def look() -> Report:
        return await survey(real_host(), asyncio.get_running_loop(), load_config(options))

    return asyncio.run(look())


def read_reports(paths: Sequence[Path]) -> list[Report]:
    """Raises ReportError, RecoveryError."""
    try:
        named = [(str(path), read_report(str(path), path.read_bytes())) for path in paths]
    except OSError as error:
        raise RecoveryError(f"cannot read {error.filename}: {error.strerror}") from error
    require_one_each(named)
    return [report for _, report in named]


def recover(
    options: StartOptions,
    reports: Sequence[Report],
    without: Collection[int],
    *,
    is_for_real: bool,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RecoveryPlan:
    """What is to be done; done on return where it is for real. `progress`: partitions written, and of how many.

    Raises RecoveryError, ConfigError.
    """

    async def work() -> RecoveryPlan:
        async with _opened(options) as (store, operations_max):
            keys = Keys(options.cluster or "default")
            found = await load(store, keys)
            plan = make_plan(found.image, found.chain, reports, without)
            if is_for_real:
                writer = Writer(store, real_host().random)
                writer.max_operations = operations_max
                await Recovery(keys, writer, _counted(progress, len(plan.partitions))).carry_out(plan, found)
            return plan

    try:
        return asyncio.run(work())
    except (RecoveryRefusedError, StoreError, MetadataUnavailable) as error:
        raise RecoveryError(str(error)) from error


def _counted(progress: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def advance(partitions: int) -> None:
        nonlocal done
        done += partitions
        progress(done, total)

    return advance


@asynccontextmanager
async def _opened(options: StartOptions) -> AsyncIterator[tuple[MetadataStore, int]]:
    """The store that brokers with these options would have, without a memory of its own; and its operations a txn."""
    config = load_config(options)
    if metadata_access(config.get) is None:
        raise ConfigError(
            "--metadata: must be etcd://HOST:PORT,...: an older metadata.sqlite is accepted by "
            "odradek.metadata.restored.revision, which its broker names"
        )
    store = make_store(real_host(), "", config)
    info = await store.open()
    try:
        yield store, info.max_operations
    finally:
        await store.close()
