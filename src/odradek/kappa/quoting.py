"""Names and texts as SQL writes them."""


def quoted(name: str) -> str:
    """An identifier, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string."""
    return "'" + text.replace("'", "''") + "'"
