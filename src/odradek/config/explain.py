"""What the person who starts a broker is told about a setting: key, value, what is allowed, the nearest known name.

Clients get Kafka's own words instead (`Option.parse`), which tools may know and which do not say what is allowed.
"""

from odradek.config.broker import BROKER_OPTIONS
from odradek.config.checks import Between
from odradek.config.errors import ConfigError
from odradek.config.metadata import without_secret
from odradek.config.option import Option, nearest
from odradek.config.topic import TOPIC_OPTIONS
from odradek.config.values import INTEGER_BITS, Type

LIST_OF_KEYS = "docs/configuration.md lists all keys"

NOUNS = {
    Type.BOOLEAN: "true or false",
    Type.STRING: "text",
    Type.DOUBLE: "a number",
    Type.LIST: "a list separated by commas",
}


def check_known(key: str, text: str) -> None:
    """Raises ConfigError for what is no key of a broker."""
    if key not in BROKER_OPTIONS:
        raise ConfigError(f'unknown configuration key "{key}" (value {text}){_hint(key)}')


def check_value(option: Option, text: str) -> None:
    """Raises ConfigError when the option does not take this text, or not at a start."""
    if option.cluster_wide:
        raise ConfigError(f"{option.name} must be set for all brokers together, while they run: it cannot be set here")
    try:
        option.parse(text)
    except ConfigError as error:
        shown = without_secret(text) if option.sensitive else text
        raise ConfigError(f'{option.name} cannot be "{shown}": allowed is {allowed(option)}') from error


def allowed(option: Option) -> str:
    """The option's values in words: `a whole number from 1 to 2147483647`."""
    check = option.check
    if option.type in INTEGER_BITS:
        limit = (1 << (INTEGER_BITS[option.type] - 1)) - 1
        if isinstance(check, Between):
            return f"a whole number from {check.minimum} to {limit if check.maximum is None else check.maximum}"
        return f"a whole number up to {limit}" + (f", {check.allowed}" if check.allowed else "")
    noun = NOUNS[option.type]
    if not check.allowed:
        return noun
    return check.allowed if check.allowed.startswith(("one of", "a list")) else f"{noun}, {check.allowed}"


def _hint(key: str) -> str:
    of_topic = TOPIC_OPTIONS.get(key)
    if of_topic is not None and of_topic.synonyms:
        return f'; topics have it, and "{of_topic.synonyms[0].name}" is their default'
    return nearest(key, BROKER_OPTIONS) or f"; {LIST_OF_KEYS}"
