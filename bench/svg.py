"""Bars as SVG, written by hand: nothing to install, and it diffs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.contender import KAFKA, LIMIT, ODRADEK
from bench.results import Line
from odradek.benchmark.row import shown

_COLOURS = {ODRADEK: "#2a6fb0", KAFKA: "#b5b5b5", LIMIT: "#e3c26b"}
_WIDTH, _BAR, _GAP, _TITLE, _LEFT, _RIGHT = 860, 14, 14, 20, 14, 190


def bars(title: str, lines: Sequence[Line]) -> str:
    """A bar for each contender of each line; lengths compare within a line, whose units are its own."""
    parts, y = [_text(_LEFT, 24, title, "bold 16px"), *_legend()], 64
    for line in lines:
        parts.append(_text(_LEFT, y, f"{line.row.title}, {line.metric.unit}", "13px"))
        y += 6
        largest = max(line.medians.values()) or 1.0
        for name, value in line.medians.items():
            width = max(value / largest * (_WIDTH - _LEFT - _RIGHT), 1.0)
            parts.append(f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR - 2}" fill="{_COLOURS[name]}"/>')
            parts.append(_text(_LEFT + width + 6, y + _BAR - 4, shown(value), "11px"))
            y += _BAR
        y += _GAP + _TITLE - 6
    style = "font-family:system-ui,sans-serif;background:#fff"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" style="{style}">'
    return "\n".join((head, f'<rect width="{_WIDTH}" height="{y}" fill="#fff"/>', *parts, "</svg>")) + "\n"


def _legend() -> list[str]:
    parts, x = [], _LEFT
    for name, colour in _COLOURS.items():
        parts.append(f'<rect x="{x}" y="34" width="10" height="10" fill="{colour}"/>')
        parts.append(_text(x + 15, 43, name, "12px"))
        x += 90
    return parts


def _text(x: float, y: float, content: str, font: str) -> str:
    weight, _, size = font.rpartition(" ")
    bold = f' font-weight="{weight}"' if weight else ""
    return f'<text x="{x:.1f}" y="{y}" font-size="{size}"{bold} fill="#222">{escape(content)}</text>'
