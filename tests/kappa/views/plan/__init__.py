"""Tests of odradek.kappa.views.plan."""
