"""The options of a broker, in the order the documentation lists them."""

from odradek.config.broker_balancing import BALANCING
from odradek.config.broker_cleaner import CLEANER
from odradek.config.broker_groups import GROUPS, MEMBERSHIP, OFFSETS
from odradek.config.broker_in_sync import IN_SYNC
from odradek.config.broker_log import DIRECTORIES, TOPIC_DEFAULTS, TOPICS, UPKEEP
from odradek.config.broker_metadata import METADATA
from odradek.config.broker_network import CONNECTIONS, IDENTITY, REQUESTS
from odradek.config.broker_replication import FOLLOWING
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
    IN_SYNC,
    FOLLOWING,
    BALANCING,
)
