"""Configuration: one table per scope (broker, topic, group) and everything that is made from it.

Parsing, the answers to DescribeConfigs and docs/configuration.md all come from the tables; an option that is in one of
them does something. Owns no I/O: files and command lines are read by whoever has them. Imports nothing of Odradek.
"""

from odradek.config.broker_config import BrokerConfig
from odradek.config.errors import ConfigError
from odradek.config.listener import Listener
from odradek.config.topic_config import TopicConfig

__all__ = ["BrokerConfig", "ConfigError", "Listener", "TopicConfig"]
