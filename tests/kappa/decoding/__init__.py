"""Tests of odradek.kappa.decoding."""
