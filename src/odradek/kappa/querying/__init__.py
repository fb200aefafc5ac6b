"""SQL over topics, asked once: what the log holds now, as relations of DuckDB."""

from odradek.kappa.querying.query import Query, Report, ask

__all__ = ["Query", "Report", "ask"]
