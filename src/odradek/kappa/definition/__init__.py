"""`kappa.yaml`: what topics hold and what is made of them."""

from odradek.kappa.definition.loading import load, parse
from odradek.kappa.definition.model import Definition, Format, Key, OnError, Topic

__all__ = ["Definition", "Format", "Key", "OnError", "Topic", "load", "parse"]
