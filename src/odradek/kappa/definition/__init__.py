"""`kappa.yaml`: what topics hold and what is made of them."""

from odradek.kappa.definition.loading import load, parse
from odradek.kappa.definition.model import Definition, Format, Key, Lake, OnError, Snapshot, Topic

__all__ = ["Definition", "Format", "Key", "Lake", "OnError", "Snapshot", "Topic", "load", "parse"]
