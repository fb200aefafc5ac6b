"""Results over HTTP."""

from odradek.kappa.serving.app import application

__all__ = ["application"]
