"""DescribeLogDirs (API key 35), versions 1-5.

2: flexible. 3: an error of the whole answer. 4: size of and room on the volume (KIP-827). 5: whether the directory
takes no new partitions. Null asks for all partitions; one that is not here is left out.
"""

import asyncio
from typing import Any

from kio.schema.errors import ErrorCode

from odradek.broker.admin_host import AdminHost
from odradek.broker.call import Call
from odradek.host import FileSystem
from odradek.host.files import SpaceStat
from odradek.log.log import Log
from odradek.log.log_state import directory_of

NO_SPACE_KNOWN = SpaceStat(-1, -1)


async def handle(broker: AdminHost, call: Call) -> Any:
    logs = broker.logs
    paths = tuple(directory.path for directory in logs.directories)
    loop = asyncio.get_running_loop()
    spaces = await loop.run_in_executor(None, _spaces, logs.files, paths)
    asked = _asked(call.request)
    by_path: dict[str, list[Log]] = {path: [] for path in paths}
    for log in logs.logs.values():
        if asked is None or (log.topic, log.partition) in asked:
            by_path[directory_of(log)].append(log)
    return call.types.DescribeLogDirsResponse(
        error_code=ErrorCode.none,
        results=tuple(
            _result(call, path, logs.healths[path].is_failed, by_path[path], space)
            for path, space in zip(paths, spaces, strict=True)
        ),
    )


def _asked(request: Any) -> set[tuple[str, int]] | None:
    if request.topics is None:
        return None
    return {(topic.topic, index) for topic in request.topics for index in topic.partitions}


def _spaces(files: FileSystem, paths: tuple[str, ...]) -> tuple[SpaceStat, ...]:
    """In the executor: a volume that is in trouble may take long to answer."""
    return tuple(_space(files, path) for path in paths)


def _space(files: FileSystem, path: str) -> SpaceStat:
    try:
        return files.space(path)
    except OSError:
        return NO_SPACE_KNOWN


def _result(call: Call, path: str, is_failed: bool, logs: list[Log], space: SpaceStat) -> Any:
    """An offline directory is named with its error and nothing else."""
    by_topic: dict[str, list[Log]] = {}
    for log in sorted(logs, key=lambda log: (log.topic, log.partition)):
        by_topic.setdefault(log.topic, []).append(log)
    return call.types.DescribeLogDirsResult(
        error_code=ErrorCode.kafka_storage_error if is_failed else ErrorCode.none,
        log_dir=path,
        topics=() if is_failed else tuple(_topic(call, name, each) for name, each in by_topic.items()),
        total_bytes=-1 if is_failed else space.total_bytes,
        usable_bytes=-1 if is_failed else space.free_bytes,
        is_cordoned=False,
    )


def _topic(call: Call, name: str, logs: list[Log]) -> Any:
    types = call.types
    return types.DescribeLogDirsTopic(
        name=name,
        partitions=tuple(
            types.DescribeLogDirsPartition(
                partition_index=log.partition, partition_size=log.size_bytes, offset_lag=0, is_future_key=False
            )
            for log in logs
        ),
    )
