"""Mistakes in a definition."""

from odradek.kappa.errors import KappaError


class DefinitionError(KappaError):
    """`kappa.yaml:7: topics.flights.format: must be one of json, csv, raw`."""

    def __init__(self, file: str, line: int, field: str, message: str) -> None:
        super().__init__(f"{file}:{line}: {field}: {message}" if field else f"{file}:{line}: {message}")
        self.file, self.line, self.field = file, line, field
