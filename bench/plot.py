"""Bar charts and curves as SVG, drawn with nothing but text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

_WIDTH, _LEFT, _RIGHT, _ROW, _BAR, _TOP = 720, 170, 70, 28, 16, 34
_OURS, _PEER, _ROUND = "#1f6feb", "#9aa4af", "#1f2328"
_STYLE = "font-family='sans-serif' font-size='13' fill='#57606a'"
_CURVE_LEFT, _CURVE_RIGHT, _CURVE_HEIGHT, _CURVE_BOTTOM = 70, 120, 260, 40


def bars(title: str, values: Mapping[str, Sequence[float]], ours: str) -> str:
    """
    Draw one bar for each name, as long as its least value; the others are ticks beside it.

    :param title: what the values are, with their unit.
    :param ours: the name whose bar stands out.
    """
    greatest = max(max(several) for several in values.values()) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / greatest
    lines = []
    for place, (name, several) in enumerate(values.items()):
        colour = _OURS if name == ours else _PEER
        lines += _bar(_TOP + _ROW * place, name, several, scale, colour)
    return _drawing(title, _TOP + _ROW * len(values) + 6, lines)


def curves(
    title: str, unit: str, lines: Mapping[str, Mapping[float, Sequence[float]]], ours: str
) -> str:
    """
    Draw one curve for each name, through the least values; all values are points.

    :param title: what the values are, with their unit.
    :param unit: of the numbers to the right, which grow by factors.
    :param lines: for each name the values at each number.
    :param ours: the name whose curve stands out.
    """
    numbers = sorted({number for line in lines.values() for number in line})
    greatest = max(max(several) for line in lines.values() for several in line.values()) or 1.0
    lowest, highest = math.log(numbers[0]), math.log(numbers[-1])
    bottom = _CURVE_HEIGHT - _CURVE_BOTTOM

    def across(number: float) -> float:
        share = (math.log(number) - lowest) / ((highest - lowest) or 1.0)
        return _CURVE_LEFT + share * (_WIDTH - _CURVE_LEFT - _CURVE_RIGHT)

    def down(value: float) -> float:
        return bottom - value / greatest * (bottom - _TOP - 6)

    drawn = [*_level(down(0.0), "0"), *_level(down(greatest), f"{greatest:.3g}")]
    for number in numbers:
        place = f"x='{across(number):.1f}' y='{bottom + 18}' text-anchor='middle'"
        drawn.append(f"<text {place}>{number:g}</text>")
    drawn.append(f"<text x='{_WIDTH - _CURVE_RIGHT + 20}' y='{bottom + 18}'>{escape(unit)}</text>")
    for name, line in lines.items():
        points = {
            across(number): [down(value) for value in line[number]] for number in sorted(line)
        }
        drawn += _curve(name, points, _OURS if name == ours else _PEER)
    return _drawing(title, _CURVE_HEIGHT, drawn)


def _drawing(title: str, height: int, lines: Sequence[str]) -> str:
    head = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' {_STYLE}>",
        f"<rect width='{_WIDTH}' height='{height}' fill='#ffffff'/>",
        f"<text x='10' y='20' font-weight='bold'>{escape(title)}</text>",
    ]
    return "\n".join([*head, *lines, "</svg>", ""])


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


def _level(y: float, number: str) -> Iterator[str]:
    end = _WIDTH - _CURVE_RIGHT
    yield f"<text x='{_CURVE_LEFT - 8}' y='{y + 4:.1f}' text-anchor='end'>{number}</text>"
    yield f"<line x1='{_CURVE_LEFT}' x2='{end}' y1='{y:.1f}' y2='{y:.1f}' stroke='#d0d7de'/>"


def _curve(name: str, points: Mapping[float, Sequence[float]], colour: str) -> Iterator[str]:
    """Draw a line through the lowest of the points at each place, which has the greatest *y*."""
    ends = [(x, max(heights)) for x, heights in points.items()]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
    yield f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"
    for x, heights in points.items():
        for y in heights:
            yield f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>"
    x, y = ends[-1]
    yield f"<text x='{x + 8:.1f}' y='{y + 4:.1f}'>{escape(name)}</text>"
