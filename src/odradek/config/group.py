"""The options of a group. The classic group protocol has none of its own: its members send their timeouts."""

from odradek.config.option import table

GROUP_OPTIONS = table()
