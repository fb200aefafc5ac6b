"""Tests of odradek.kappa.importing."""
