"""What is wrong with a configuration, in one line for the person who wrote it."""


class ConfigError(ValueError):
    """An unknown key or a value that is not allowed. The message names the key, the value and what is allowed."""
