# SPDX-License-Identifier: Apache-2.0
"""Charts as plain descriptions: the template draws them as SVG, in colours of its style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Chart", "Line", "Tick", "line_chart", "number", "scatter_chart"]

WIDTH, HEIGHT = 360, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 34
_MOST_POINTS = 600  # of a line: more than the pixels that show it
_LARGEST = 1e300  # drawn: a difference of two larger ones may be infinite
_LEAST_SPAN = 1e-290  # of an axis: a quarter of a smaller one may be 0
_DECADE = 20  # a curve whose ends differ by more is logarithmic


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick of an axis.

    Attributes:
        place: In px of the chart.
        text: Its label.
    """

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line or a set of dots.

    Attributes:
        name: For the legend.
        color: Index of its colour.
        path: ``d`` of an SVG path; empty for dots.
        dots: ``(x, y, title)`` of each dot, in px.
        is_dashed: Whether it is dashed.
    """

    name: str
    color: int
    path: str = ""
    dots: Sequence[tuple[float, float, str]] = ()
    is_dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, in px of ``WIDTH`` x ``HEIGHT``.

    Attributes:
        title: Its heading.
        told: What it shows, in words, for who does not see it.
        lines: Drawn in this order.
        x_ticks: Ticks below.
        y_ticks: Ticks on the left.
        x_name: Name of the axis below.
        y_name: Name of the axis on the left.
        note: A sentence below the chart.
        diagonal: Whether the line from corner to corner is drawn.
    """

    title: str
    told: str
    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    x_name: str
    y_name: str
    note: str = ""
    diagonal: str = ""
    width: int = field(default=WIDTH)
    height: int = field(default=HEIGHT)
    left: int = field(default=_LEFT)
    right: int = field(default=WIDTH - _RIGHT)
    top: int = field(default=_TOP)
    bottom: int = field(default=HEIGHT - _BOTTOM)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to px."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = self.low, self.high, min(max(value, -_LARGEST), _LARGEST)
        if self.is_log:
            low, high, value = (math.log10(max(each, 1e-300)) for each in (low, high, value))
        share = (value - low) / ((high - low) or 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[Tick]:
        """Return ticks at round numbers."""
        if self.is_log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            stride = max(1, (last - first) // 4)
            powers = [10.0**power for power in range(first, last + 1, stride)]
            if len(powers) > 1:
                return self._at(powers)
        step = _round_step(max(self.high - self.low, _LEAST_SPAN) if self.high > self.low else 1.0)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return self._at([index * step for index in range(first, last + 1)])

    def _at(self, values: Sequence[float]) -> list[Tick]:
        return [Tick(self(value), number(value)) for value in values]


def number(value: float | None) -> str:
    """Return a number as people read it.

    Args:
        value: None if there is none.

    Example:
        >>> number(0.96224), number(1200), number(2e-5), number(None)
        ('0.9622', '1,200', '2e-05', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:.4g}"


def line_chart(
    title: str,
    curves: Mapping[str, Mapping[float, float]],
    *,
    x_name: str,
    y_name: str = "",
    colors: Sequence[int] = (),
    dashed: Sequence[str] = (),
    note: str = "",
) -> Chart | None:
    """Return a chart of curves, or None if no value is finite.

    A note says how many values are infinite or no number; they are not drawn.

    Args:
        title: Its heading.
        curves: Name -> place -> value.
        x_name: Name of the axis below.
        y_name: Name of the axis on the left.
        colors: Index of the colour of each curve; by default one after the other.
        dashed: Names of those that are dashed.
        note: A sentence below.
    """
    finite = {
        name: {x: y for x, y in sorted(curve.items()) if math.isfinite(y)}
        for name, curve in curves.items()
    }
    kept = {name: curve for name, curve in finite.items() if curve}
    if not kept:
        return None
    values = [y for curve in kept.values() for y in curve.values()]
    places = [x for curve in kept.values() for x in curve]
    x_scale = _Scale(min(places), max(places), _LEFT, WIDTH - _RIGHT)
    y_scale = _y_scale(values)
    lines = []
    for index, (name, curve) in enumerate(kept.items()):
        color = list(finite).index(name)
        color = colors[color] if colors else index
        lines.append(_line(name, curve, x_scale, y_scale, color, is_dashed=name in dashed))
    told = "; ".join(_told(name, curve) for name, curve in kept.items())
    axes = (x_scale.ticks(), y_scale.ticks(), x_name, y_name)
    notes = (note, "Logarithmic axis." if y_scale.is_log else "", _left_out(curves))
    return Chart(title, told, lines, *axes, note=" ".join(filter(None, notes)))


def scatter_chart(
    title: str,
    told: str,
    points: Mapping[str, Sequence[tuple[float, float, str]]],
    *,
    x_name: str,
    y_name: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    joined: Sequence[str] = (),
    diagonal: bool = False,
    is_log: bool = False,
    note: str = "",
) -> Chart:
    """Return a chart of dots.

    Args:
        title: Its heading.
        told: What it shows, in words.
        points: Name -> x, y, and what the dot is.
        x_name: Name of the axis below.
        y_name: Name of the axis on the left.
        x_range: Least and largest x.
        y_range: Least and largest y.
        joined: Names whose dots are joined by a line.
        diagonal: Whether to draw the line of equal values.
        is_log: Whether the axis below is logarithmic; then x is above 0.
        note: A sentence below.
    """
    x_scale = _Scale(*x_range, _LEFT, WIDTH - _RIGHT, is_log)
    y_scale = _Scale(*y_range, HEIGHT - _BOTTOM, _TOP)
    lines = []
    for index, (name, dots) in enumerate(points.items()):
        placed = [(x_scale(x), y_scale(y), text) for x, y, text in dots]
        path = _path([(x, y) for x, y, _ in placed]) if name in joined else ""
        lines.append(Line(name, index, path, placed))
    axes = (x_scale.ticks(), y_scale.ticks(), x_name, y_name)
    across = ""
    if diagonal:
        low, high = max(x_range[0], y_range[0]), min(x_range[1], y_range[1])
        across = _path([(x_scale(low), y_scale(low)), (x_scale(high), y_scale(high))])
    return Chart(title, told, lines, *axes, note=note, diagonal=across)


def _left_out(curves: Mapping[str, Mapping[float, float]]) -> str:
    """Return how many values of which curve are not finite, and where the first is."""
    told = []
    for name, curve in curves.items():
        places = [place for place, value in sorted(curve.items()) if not math.isfinite(value)]
        if places:
            told.append(
                f"{name}: {len(places):,} of {len(curve):,} values are infinite or no number, "
                f"the first at {number(places[0])}."
            )
    return " ".join(told)


def _y_scale(values: Sequence[float]) -> _Scale:
    low, high = (min(max(each, -_LARGEST), _LARGEST) for each in (min(values), max(values)))
    place = (HEIGHT - _BOTTOM, _TOP)
    if low > 0 and high / low > _DECADE:
        return _Scale(low, high, *place, is_log=True)
    margin = (high - low or abs(high) or 1.0) * 0.08
    return _Scale(0.0 if 0 <= low < 0.5 * high else low - margin, high + margin, *place)


def _line(
    name: str,
    curve: Mapping[float, float],
    x_scale: _Scale,
    y_scale: _Scale,
    color: int,
    *,
    is_dashed: bool,
) -> Line:
    points = list(curve.items())
    step = math.ceil(len(points) / _MOST_POINTS)
    shown = [*points[::step], *([points[-1]] if (len(points) - 1) % step else [])]
    placed = [(x_scale(x), y_scale(y)) for x, y in shown]
    dots = [
        (x, y, f"{name}: {number(v)} at {number(p)}")
        for (x, y), (p, v) in zip(placed, shown, strict=True)
    ]
    return Line(name, color, _path(placed), dots if len(dots) <= 30 else [], is_dashed)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""


def _told(name: str, curve: Mapping[float, float]) -> str:
    values = list(curve.values())
    text = f"{name}: from {number(values[0])} to {number(values[-1])}"
    return f"{text}, least {number(min(values))}, largest {number(max(values))}"


def _round_step(span: float) -> float:
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= raw * 0.999)
