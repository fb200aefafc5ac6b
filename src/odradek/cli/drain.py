"""Emptying a broker: the setting that asks for it, and watching it until it is empty."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from odradek.balancing.planner import make_plan
from odradek.cli.errors import CommandError
from odradek.cli.output import plural, size
from odradek.cli.progress import draw
from odradek.cli.survey import BROKER, DRAINING, Survey, any_broker, survey
from odradek.cli.time_left import TimeLeft, in_words
from odradek.cli.wire import require, schema

if TYPE_CHECKING:
    from odradek.cli.session import Session

SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
"""Operations of IncrementalAlterConfigs."""
_LOOK_S = 1.0


def alter_defaults(session: Session, key: str, operation: int, value: str | None) -> None:
    """One setting of all brokers together."""
    api = schema("incremental_alter_configs", 1)
    config = api.AlterableConfig(name=key, config_operation=operation, value=value)
    resource = api.AlterConfigsResource(resource_type=BROKER, resource_name="", configs=(config,))
    with any_broker(session) as connection:
        request = api.IncrementalAlterConfigsRequest(resources=(resource,), validate_only=False)
        (result,) = connection.ask(request).responses
    require(result.error_code, result.error_message)


def set_draining(session: Session, broker_id: int, is_draining: bool) -> None:
    alter_defaults(session, DRAINING, APPEND if is_draining else SUBTRACT, str(broker_id))


def watch(session: Session, broker_id: int) -> dict[str, Any]:
    """Returns when the broker is empty. Raises CommandError when what it still has cannot leave it."""
    left = TimeLeft()
    while True:
        seen = survey(session, sizes_of=[broker_id])
        if not seen.held_by(broker_id):
            draw("")
            return result_of(seen, broker_id)
        draw(progress_line(seen, broker_id, left, time.monotonic()))
        if (problem := stuck(seen, broker_id)) is not None:
            draw("")
            raise CommandError(problem)
        time.sleep(_LOOK_S)


def result_of(seen: Survey, broker_id: int) -> dict[str, Any]:
    held = len(seen.held_by(broker_id))
    return {"broker": broker_id, "draining": broker_id in seen.draining, "replicas": held, "empty": not held}


def progress_line(seen: Survey, broker_id: int, left: TimeLeft, now_s: float) -> str:
    """What a person who waits sees."""
    held, bytes_left = seen.held_by(broker_id), held_bytes(seen, broker_id)
    estimate = in_words(left.estimate_s(now_s, bytes_left or len(held)))
    told = [f"broker {broker_id}: {plural(len(held), 'replica')} left"]
    told += [size(bytes_left)] if bytes_left else []
    return ", ".join([*told, *([estimate] if estimate else [])])


def held_bytes(seen: Survey, broker_id: int) -> int:
    """Of the replicas that are still to leave; 0 when the broker does not say."""
    broker = seen.broker(broker_id)
    if broker is None or broker.disks is None:
        return 0
    return sum(broker.disks.sizes.get((each.topic, each.index), 0) for each in seen.held_by(broker_id))


def stuck(seen: Survey, broker_id: int) -> str | None:
    """Why the rest cannot leave the broker, once everything else has."""
    held = seen.held_by(broker_id)
    if seen.is_paused:
        return "balancing is paused: `odradek cluster resume`, and it goes on"
    if broker_id not in seen.draining:
        return f"broker {broker_id} is no longer drained: somebody has undone it"
    blocked = [each for each in make_plan(seen.state(), balances=False).blocked if each.broker == broker_id]
    if any(each.is_moving for each in held) or len(blocked) < len(held):
        return None
    first = blocked[0]
    return (
        f"{plural(len(held), 'replica')} cannot leave broker {broker_id}: {first.topic}-{first.index}: {first.reason}"
    )
