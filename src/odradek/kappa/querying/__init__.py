"""SQL over topics, asked once: what the log holds now, as relations of DuckDB."""

from odradek.kappa.querying.query import ask
from odradek.kappa.querying.reading import Query, Report

__all__ = ["Query", "Report", "ask"]
