"""From a view's SQL to the statements that a live run and a batch run share. Pure: it reads no topic and no clock."""

from odradek.kappa.views.plan.compiling import compile_view
from odradek.kappa.views.plan.errors import ViewError
from odradek.kappa.views.plan.model import Join, Relation, ViewPlan, Window, table_name

__all__ = ["Join", "Relation", "ViewError", "ViewPlan", "Window", "compile_view", "table_name"]
