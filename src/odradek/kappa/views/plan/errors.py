"""What a view's SQL may not be."""

from odradek.kappa.errors import KappaError


class ViewError(KappaError):
    """`view delays: median(f.delay) cannot be kept up to date: ...`."""

    def __init__(self, view: str, message: str) -> None:
        super().__init__(f"view {view}: {message}")
        self.view = view
