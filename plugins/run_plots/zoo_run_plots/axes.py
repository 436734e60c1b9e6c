# SPDX-License-Identifier: Apache-2.0
"""Axes that do not mislead: where they begin, whether they are logarithmic, how ticks are written.

An axis of values that cannot be negative begins at 0. If that would flatten all curves into one
line, the axis begins higher, and its label and a break at its foot show that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fit_losses", "fit_values", "format_rate", "is_unit"]

_FLAT_SHARE = 0.25  # of the axis, under which curves that begin at 0 would look flat
_LOG_FACTOR = 12  # ratio of the largest to the least loss, above which a linear axis hides most
_LOG_DECADES = 3  # that are shown above 0 where a loss is 0 somewhere
_PAD_SHARE = 0.1
_BREAK = ((-1.0, -0.5), (1.0, 0.5))  # a slanted stroke


def is_unit(values: Sequence[float]) -> bool:
    """Return whether all values that are numbers are in 0..1.

    Args:
        values: Of a curve; NaN counts as not measured.
    """
    return all(math.isnan(value) or 0 <= value <= 1 for value in values)


def fit_values(axes: Axes, values: Sequence[float], *, is_share: bool = False) -> None:
    """Set the limits of an axis of metrics.

    Args:
        axes: The panel.
        values: All values that it shows; NaN is skipped.
        is_share: Whether they are shares of a whole, such as Dice or AP: an axis that begins at 0
            then ends at 1.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        axes.set_yticks([])
        axes.set_ylabel("no finite value")
        return
    low, high = min(finite), max(finite)
    pad = _PAD_SHARE * (high - low)
    if low < 0:
        axes.axhline(0, color="#999999", linewidth=0.8, zorder=1)
        axes.set_ylim(low - pad, max(high, 0) + pad)
        return
    top = 1.0 if is_share else (1 + _PAD_SHARE) * high or 1.0
    if 0 < high - low < _FLAT_SHARE * top and low > top / 2:
        bottom = low - pad
        axes.set_ylim(bottom, min(top, high + pad) if is_share else high + pad)
        _show_break(axes, bottom)
    else:
        axes.set_ylim(0, top)


def fit_losses(axes: Axes, values: Sequence[float]) -> None:
    """Set the scale and the limits of an axis of losses, logarithmic if they span a decade.

    Args:
        axes: The panel.
        values: All values that it shows; NaN is skipped.
    """
    finite = [value for value in values if math.isfinite(value)]
    positive = [value for value in finite if value > 0]
    is_wide = bool(positive) and max(positive) > _LOG_FACTOR * min(positive)
    if not is_wide or min(finite) < 0:
        fit_values(axes, finite)
        return
    from matplotlib.ticker import LogLocator, NullFormatter

    if min(finite) == 0:
        linear = 10.0 ** (math.floor(math.log10(max(finite))) - _LOG_DECADES + 1)
        axes.set_yscale("symlog", linthresh=linear)
        axes.set_ylim(0, 1.3 * max(finite))
        axes.set_ylabel(f"logarithmic above {linear:g}")
    else:
        axes.set_yscale("log")
        axes.set_ylim(min(finite) / 1.2, 1.2 * max(finite))
        axes.set_ylabel("logarithmic")
        decades = math.log10(max(finite)) - math.log10(min(finite))
        # Ticks between the powers of ten of many decades are more than matplotlib draws.
        axes.yaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if decades <= _LOG_DECADES else (1,))
        )
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def format_rate(rate: float, _: object = None) -> str:
    """Return a learning rate in scientific notation; what matplotlib passes beside it is ignored.

    Args:
        rate: The learning rate.
        _: The position of the tick.

    Example:
        >>> format_rate(0.0004), format_rate(2.5e-05), format_rate(0.0)
        ('4e-4', '2.5e-5', '0')
    """
    if rate == 0:
        return "0"
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _show_break(axes: Axes, bottom: float) -> None:
    """Show that an axis does not begin at 0: in its label, and by two strokes at its foot."""
    axes.set_ylabel(f"axis begins at {bottom:.3g}, not at 0")
    stroke: dict[str, Any] = {"marker": _BREAK, "markersize": 8, "markeredgewidth": 1}
    stroke |= {"color": "black", "linestyle": "none", "clip_on": False}
    axes.plot([0, 0], [0, 0.03], transform=axes.transAxes, **stroke)
