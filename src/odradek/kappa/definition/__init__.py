"""`kappa.yaml`: what topics hold and what is made of them."""

from odradek.kappa.definition.loading import load, parse
from odradek.kappa.definition.model import Definition, Format, Key, Lake, OnError, Snapshot, Topic, View

__all__ = ["Definition", "Format", "Key", "Lake", "OnError", "Snapshot", "Topic", "View", "load", "parse"]
