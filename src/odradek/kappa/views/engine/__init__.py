"""Runs a view's plan: step by step over what comes, or once over all there is."""

from odradek.kappa.views.engine.batch import run_batch
from odradek.kappa.views.engine.state import Step, ViewState

__all__ = ["Step", "ViewState", "run_batch"]
