"""Realistic bugs as patches: each must be found by a simulated scenario, or the simulation is blind to its kind."""
