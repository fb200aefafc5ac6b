"""Tests of odradek.kappa.views.engine."""
