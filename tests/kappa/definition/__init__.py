"""Tests of odradek.kappa.definition."""
