"""Measurements: what is said of speed and memory is printed by these scripts, never asserted by a test."""
