"""Tests of odradek.kappa.demo."""
