"""Tests of the Kappa layer."""
