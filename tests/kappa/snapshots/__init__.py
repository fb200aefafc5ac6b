"""Tests of odradek.kappa.snapshots."""
