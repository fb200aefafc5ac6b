"""The Kappa layer's Kafka client: where topics begin and end, and their records as Arrow."""

from odradek.kappa.client.ahead import ahead
from odradek.kappa.client.reader import LogReader
from odradek.kappa.client.topics import Identity, Range, Topics

__all__ = ["Identity", "LogReader", "Range", "Topics", "ahead"]
