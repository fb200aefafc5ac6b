"""Exhaustive search over small models whose steps are the broker's own decisions."""
