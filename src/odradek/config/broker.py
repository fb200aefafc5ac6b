"""The options of a broker, in the order the documentation lists them."""

from odradek.config.broker_cleaner import CLEANER
from odradek.config.broker_groups import GROUPS, MEMBERSHIP, OFFSETS
from odradek.config.broker_log import DIRECTORIES, TOPIC_DEFAULTS, TOPICS, UPKEEP
from odradek.config.broker_metadata import METADATA
from odradek.config.broker_network import CONNECTIONS, IDENTITY, REQUESTS
from odradek.config.option import table

BROKER_OPTIONS = table(
    IDENTITY,
    METADATA,
    DIRECTORIES,
    CONNECTIONS,
    REQUESTS,
    TOPICS,
    TOPIC_DEFAULTS,
    UPKEEP,
    CLEANER,
    GROUPS,
    OFFSETS,
    MEMBERSHIP,
)
