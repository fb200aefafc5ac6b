"""Values as JSON has them."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any


def plain(value: Any) -> object:
    """Times as ISO 8601 (UTC), decimals as text (they are exact), bytes as text or else as hexadecimal digits."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    return str(value)
