"""Tests of odradek.kappa.client."""
