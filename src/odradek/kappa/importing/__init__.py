"""Batch data becomes a log: rows in the order of their event time, each once however often it is begun anew."""

from odradek.kappa.importing.job import Import, Progress
from odradek.kappa.importing.source import Source

__all__ = ["Import", "Progress", "Source"]
