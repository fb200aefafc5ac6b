"""The flights of 2013 as they happened, as a replay and as a batch: one definition, and the proof that all agree."""

from odradek.kappa.demo.stage import Stage, Verdict

__all__ = ["Stage", "Verdict"]
