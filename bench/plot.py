"""Bar charts as SVG, drawn with nothing but text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR, _TOP = 720, 170, 70, 28, 16, 34
_OURS, _PEER, _ROUND = "#1f6feb", "#9aa4af", "#1f2328"
_STYLE = "font-family='sans-serif' font-size='13' fill='#57606a'"


def bars(title: str, values: Mapping[str, Sequence[float]], ours: str) -> str:
    """
    Draw one bar for each name, as long as its least value; the others are ticks beside it.

    :param title: what the values are, with their unit.
    :param ours: the name whose bar stands out.
    """
    greatest = max(max(several) for several in values.values()) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / greatest
    height = _TOP + _ROW * len(values) + 6
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' {_STYLE}>",
        f"<rect width='{_WIDTH}' height='{height}' fill='#ffffff'/>",
        f"<text x='10' y='20' font-weight='bold'>{escape(title)}</text>",
    ]
    for place, (name, several) in enumerate(values.items()):
        colour = _OURS if name == ours else _PEER
        lines += _bar(_TOP + _ROW * place, name, several, scale, colour)
    return "\n".join([*lines, "</svg>", ""])


def _bar(y: int, name: str, values: Sequence[float], scale: float, colour: str) -> list[str]:
    length, text_y = min(values) * scale, y + 14
    end = max(values) * scale + _LEFT + 6
    ticks = [
        f"<rect x='{_LEFT + value * scale - 1:.1f}' y='{y}' width='2' height='{_BAR + 4}'"
        f" fill='{_ROUND}'/>"
        for value in values
    ]
    return [
        f"<text x='{_LEFT - 8}' y='{text_y}' text-anchor='end'>{escape(name)}</text>",
        f"<rect x='{_LEFT}' y='{y + 2}' width='{length:.1f}' height='{_BAR}' fill='{colour}'/>",
        *ticks,
        f"<text x='{end:.1f}' y='{text_y}'>{min(values):.3g}</text>",
    ]
