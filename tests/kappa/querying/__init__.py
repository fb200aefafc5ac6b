"""Tests of odradek.kappa.querying."""
