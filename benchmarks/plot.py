"""Small charts as SVG that can be read in light and in dark, and whose text stays text.

A panel has lines of points over one scale. Numbers are written as people say them (30k, 1.5M), and
the same points always make the same bytes, so a picture only changes with what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 380, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 46, 40
Point = tuple[float, float]
STYLE = """
svg { color: #1f2328; background: #ffffff; --c0: #0b62c4; --c1: #b3470b; --c2: #1a7f37;
      --c3: #8250df; --grid: #d8dee4; --faint: #59636e; font: 12px system-ui, sans-serif }
@media (prefers-color-scheme: dark) {
  svg { color: #e6edf3; background: #0d1117; --c0: #58a6ff; --c1: #f0883e; --c2: #56d364;
        --c3: #bc8cff; --grid: #30363d; --faint: #9198a1 } }
text { fill: currentColor } .faint { fill: var(--faint); font-size: 11px }
.title { font-weight: 600; font-size: 13px }
.grid { stroke: var(--grid); stroke-width: 1 } .bound { stroke: var(--faint);
  stroke-dasharray: 5 4; stroke-width: 1.5 }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
"""


@dataclass(frozen=True)
class Panel:
    """One chart; `bound` is a line across, of what is asked for at most or at least."""

    title: str
    across: str
    lines: Mapping[str, Sequence[Point]]
    bound: tuple[str, float] | None = None
    log_across: bool = False


def number(value: float) -> str:
    """As short as it is read aloud."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def ticks(top: float) -> list[float]:
    """Some round numbers from 0 to `top` or just above."""
    rough = (top or 1.0) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * one for one in (1, 2, 2.5, 5, 10) if size * one >= rough)
    return [step * at for at in range(math.ceil((top or 1.0) / step) + 1)]


def svg(panels: Sequence[Panel], columns: int = 2) -> str:
    """All panels in one picture."""
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    width, height = columns * WIDTH, rows * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<style>{STYLE}</style>",
    ]
    for at, panel in enumerate(panels):
        x, y = at % columns * WIDTH, at // columns * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def write(path: Path, panels: Sequence[Panel], columns: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(panels, columns))


def _panel(panel: Panel) -> str:
    points = [point for line in panel.lines.values() for point in line]
    top = max([y for _, y in points] + ([panel.bound[1]] if panel.bound else []))
    marks = ticks(top)
    xs = sorted({x for x, _ in points})
    low, high = _across(panel, xs[0]), _across(panel, xs[-1])
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> Point:
        share = (_across(panel, x) - low) / (high - low) if high > low else 0.5
        return round(LEFT + share * wide, 1), round(TOP + tall * (1 - y / marks[-1]), 1)

    parts = [_text(LEFT - 44, 18, panel.title, "title")]
    for mark in marks:
        _, y = at(xs[0], mark)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(LEFT - 6, y + 4, number(mark), "faint", "end"))
    below = HEIGHT - BOTTOM + 16
    parts += [_text(at(x, 0)[0], below, number(x), "faint", "middle") for x in _few(xs)]
    parts.append(_text(LEFT + wide / 2, HEIGHT - 8, panel.across, "faint", "middle"))
    if panel.bound:
        label, value = panel.bound
        _, y = at(xs[0], value)
        parts.append(f'<line class="bound" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(_text(WIDTH - RIGHT, y - 4, label, "faint", "end"))
    return "\n".join([*parts, *_lines(panel, at)])


def _lines(panel: Panel, at: Callable[[float, float], Point]) -> list[str]:
    """The lines, each with its name in its colour above."""
    parts, left = [], float(LEFT)
    for index, (name, line) in enumerate(panel.lines.items()):
        colour = f"var(--c{index % 4})"
        where = [at(x, y) for x, y in line]
        path = " ".join(f"{x},{y}" for x, y in where)
        parts.append(f'<polyline style="stroke: {colour}" points="{path}"/>')
        if len(where) <= 16:
            parts += [f'<circle style="fill: {colour}" cx="{x}" cy="{y}" r="3"/>' for x, y in where]
        if not name:
            continue
        parts.append(
            f'<circle style="fill: {colour}" cx="{left + 4:.0f}" cy="31" r="4"/>'
            + _text(left + 12, 35, name, "faint")
        )
        left += 22 + 6.1 * len(name)
    return parts


def _across(panel: Panel, x: float) -> float:
    return math.log10(x) if panel.log_across else x


def _few(xs: Sequence[float]) -> list[float]:
    """Not more labels than there is room for, evenly, with both ends."""
    if len(xs) <= 7:
        return list(xs)
    return [xs[round(at * (len(xs) - 1) / 6)] for at in range(7)]


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'
    )
