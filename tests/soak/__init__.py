"""The longer sweeps behind `make soak`: kills, new seeds, mutants, attacks, for as long as there is time."""
