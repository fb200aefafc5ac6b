"""Tests of odradek.kappa.views."""
