"""What changing a resource's configuration would store, or why it is refused: pure functions of an image.

The checks and messages are those of Kafka's ConfigAdminManager and controller.
"""

from collections.abc import Mapping, Sequence

from kio.schema.errors import ErrorCode

from odradek.cluster.image import ClusterImage
from odradek.cluster.names import topic_name_problem
from odradek.cluster.results import ConfigChange, ConfigOp, Refusal
from odradek.config import BrokerConfig, ConfigError
from odradek.config.broker import BROKER_OPTIONS
from odradek.config.group import GROUP_OPTIONS
from odradek.config.option import Table, nearest
from odradek.config.topic import TOPIC_OPTIONS
from odradek.config.topic_config import default_of, validate_topic_overrides
from odradek.config.values import Type, render

TABLES: dict[str, Table] = {"topic": TOPIC_OPTIONS, "broker": BROKER_OPTIONS, "group": GROUP_OPTIONS}


def plan_alter(
    image: ClusterImage, config: BrokerConfig, resource_type: str, name: str, changes: Sequence[ConfigChange]
) -> dict[str, str] | Refusal:
    """The overrides after the changes (KIP-339)."""
    if len({change.key for change in changes}) < len(changes):
        return Refusal(ErrorCode.invalid_request, "Error due to duplicate config keys")
    nulls = [change.key for change in changes if change.op is not ConfigOp.DELETE and change.value is None]
    if nulls:
        return Refusal(ErrorCode.invalid_request, f"Null value not supported for : {', '.join(nulls)}")
    values = dict(image.config(resource_type, name))
    for change in changes:
        problem = _apply(values, change, resource_type, config)
        if problem is not None:
            return problem
    touched = [change.key for change in changes if change.op is not ConfigOp.DELETE]
    return check_configs(image, config, resource_type, name, values, touched) or values


def plan_replace(
    image: ClusterImage, config: BrokerConfig, resource_type: str, name: str, values: Mapping[str, str | None]
) -> dict[str, str] | Refusal:
    """The overrides when exactly these are to remain (the older AlterConfigs)."""
    nulls = [key for key, value in values.items() if value is None]
    if nulls:
        return Refusal(ErrorCode.invalid_request, f"Null value not supported for : {', '.join(nulls)}")
    wanted = {key: value for key, value in values.items() if value is not None}
    return check_configs(image, config, resource_type, name, wanted, list(wanted)) or wanted


def _apply(values: dict[str, str], change: ConfigChange, resource_type: str, config: BrokerConfig) -> Refusal | None:
    if change.op is ConfigOp.DELETE:
        values.pop(change.key, None)
    elif change.op is ConfigOp.SET:
        values[change.key] = change.value or ""
    else:
        return _change_list(values, change, resource_type, config)
    return None


def _change_list(
    values: dict[str, str], change: ConfigChange, resource_type: str, config: BrokerConfig
) -> Refusal | None:
    option = TABLES.get(resource_type, {}).get(change.key)
    if option is None or option.type is not Type.LIST:
        message = f"Can't {change.op.name} to key {change.key} because its type is not LIST."
        return Refusal(ErrorCode.invalid_config, message)
    present = values.get(change.key)
    if present is None:
        present = render(default_of(option, config)) or ""
    items = [item for item in present.split(",") if item]
    for item in (change.value or "").split(","):
        if change.op is ConfigOp.APPEND and item not in items:
            items.append(item)
        elif change.op is ConfigOp.SUBTRACT and item in items:
            items.remove(item)
    values[change.key] = ",".join(items)
    return None


def check_configs(
    image: ClusterImage,
    config: BrokerConfig,
    resource_type: str,
    name: str,
    values: Mapping[str, str],
    touched: Sequence[str],
) -> Refusal | None:
    """Whether the resource may have these overrides; `touched` are those set now."""
    if resource_type == "topic":
        return _check_topic(image, config, name, values)
    if resource_type == "broker":
        return _check_broker(image, config, name, values, touched)
    if resource_type == "group":
        return _check_group(name, values)
    return Refusal(ErrorCode.invalid_request, f"Unknown resource type {resource_type}")


def _check_topic(image: ClusterImage, config: BrokerConfig, name: str, values: Mapping[str, str]) -> Refusal | None:
    if not name:
        return Refusal(ErrorCode.invalid_request, "Default topic resources are not allowed.")
    if (problem := topic_name_problem(name)) is not None:
        return Refusal(ErrorCode.invalid_topic_exception, problem)
    try:
        validate_topic_overrides(config, values)
    except ConfigError as error:
        return Refusal(ErrorCode.invalid_config, str(error))
    if name not in image.topics:
        return Refusal(ErrorCode.unknown_topic_or_partition, f"The topic '{name}' does not exist.")
    return None


def _check_broker(
    image: ClusterImage, config: BrokerConfig, name: str, values: Mapping[str, str], touched: Sequence[str]
) -> Refusal | None:
    if name and (problem := _broker_name_problem(image, name)) is not None:
        return problem
    message = _broker_values_problem(config, bool(name), values, touched)
    if message is None:
        try:
            config.with_dynamic(*((values, image.config("broker", "")) if name else (config.broker_dynamic, values)))
        except ConfigError as error:
            message = str(error)
    return None if message is None else Refusal(ErrorCode.invalid_request, message)


def _broker_name_problem(image: ClusterImage, name: str) -> Refusal | None:
    if not name.isascii() or not name.isdigit():
        return Refusal(ErrorCode.invalid_request, f"Node id must be an integer, but it is: {name}")
    if int(name) not in image.brokers:
        return Refusal(ErrorCode.broker_id_not_registered, f"No broker with id {name} found.")
    return None


def _broker_values_problem(
    config: BrokerConfig, is_one_broker: bool, values: Mapping[str, str], touched: Sequence[str]
) -> str | None:
    unknown = [key for key in touched if key not in BROKER_OPTIONS]
    if unknown:
        return f"Unknown broker config name: {unknown[0]}{nearest(unknown[0], BROKER_OPTIONS)}"
    fixed = [key for key in touched if not BROKER_OPTIONS[key].dynamic]
    if fixed:
        return f"Cannot update these configs dynamically: [{', '.join(fixed)}]"
    common = [key for key in touched if BROKER_OPTIONS[key].cluster_wide]
    if common and is_one_broker:
        return f"Cannot update these configs for one broker, only at default cluster level: [{', '.join(common)}]"
    single = [key for key in touched if BROKER_OPTIONS[key].per_broker]
    if single and not is_one_broker:
        return (
            f"Cannot update these configs at default cluster level, broker id must be specified: [{', '.join(single)}]"
        )
    return None


def _check_group(name: str, values: Mapping[str, str]) -> Refusal | None:
    if not name:
        return Refusal(ErrorCode.invalid_request, "Default group resources are not allowed.")
    for key, text in values.items():
        if key not in GROUP_OPTIONS:
            return Refusal(ErrorCode.invalid_config, f"Unknown group config name: {key}")
        try:
            GROUP_OPTIONS[key].parse(text)
        except ConfigError as error:
            return Refusal(ErrorCode.invalid_config, str(error))
    return None
