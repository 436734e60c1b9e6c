# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.overlays.style, by tools/runtime_copies.py.
"""Drawing styles of an overlay (fill, contour or both), and what its legend says of the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zoo_runtime.errors import ConfigError

__all__ = ["STYLES", "OverlayStyle", "nothing_found", "scale_note"]

STYLES = ("both", "contour", "fill")


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How objects are painted over a picture.

    Args:
        kind: ``contour``, ``fill`` or ``both``.
        opacity: Opacity of the fill, in ``[0, 1]``.

    Raises:
        ConfigError: Another kind, or an opacity that is out of range.
    """

    kind: str = "both"
    opacity: float = 0.35

    def __post_init__(self) -> None:
        if self.kind not in STYLES:
            message = f"cannot draw an overlay: the style is {self.kind!r}, "
            message += f"expected {', '.join(STYLES[:-1])} or {STYLES[-1]}."
            raise ConfigError(message, where="--overlay-style", hint="leave it out for both.")
        is_number = isinstance(self.opacity, (int, float)) and math.isfinite(self.opacity)
        if not is_number or not 0 <= self.opacity <= 1:
            message = f"cannot draw an overlay: the opacity is {self.opacity!r}, expected 0..1."
            raise ConfigError(message, where="--overlay-opacity", hint="give for example 0.35.")

    @property
    def fill_opacity(self) -> float:
        """Opacity of what is painted inside, 0 where contours alone are drawn."""
        return 0.0 if self.kind == "contour" else self.opacity

    @property
    def has_contour(self) -> bool:
        """Whether the edges are drawn."""
        return self.kind != "fill"


def scale_note(shown: Sequence[int], size: Sequence[int]) -> list[str]:
    """Return the note of a picture that is shown reduced, else nothing.

    Args:
        shown: Height and width in px of the overlay.
        size: Height and width in px of the image.
    """
    if tuple(shown[:2]) == tuple(size[:2]):
        return []
    percent = 100 * shown[1] / size[1]
    return [f"Shown at {percent:.3g} % of its size, {size[1]:,} x {size[0]:,} px."]


def nothing_found(names: Sequence[str]) -> str:
    """Return the text of a picture in which no object was found.

    Args:
        names: What was looked for.
    """
    return f"no {names[0] if len(names) == 1 else 'class'} found"
