"""From the bytes of records to columns, in SQL: nothing here is done a record at a time in Python."""

from odradek.kappa.decoding.decoded import ERROR, OPERATION, columns_of, decoded
from odradek.kappa.decoding.session import connect

__all__ = ["ERROR", "OPERATION", "columns_of", "connect", "decoded"]
