"""Tests of odradek.kappa.serving."""
