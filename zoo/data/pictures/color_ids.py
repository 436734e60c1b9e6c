# SPDX-License-Identifier: Apache-2.0
"""Masks painted in colours, as class ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ids = NDArray[np.uint8]

__all__ = ["Color", "ColorEncoder"]

Color = tuple[int, int, int]

_MOST_COLORS = 65_536
_MOST_NAMED = 8
_COMPARED_AT_ONCE = 2**20  # distances, eight bytes each
_MOST_ID = 255


class _HasMasks(Protocol):
    @property
    def masks(self) -> tuple[str, ...]:
        """Paths in the source."""


class ColorEncoder:
    """Converts masks painted in colours to class ids; an ``encode_mask`` of `prepare_semantic`.

    Threads may share it: it holds only tables. A grey mask counts as colours of equal channels.

    Args:
        colors: RGB -> id in 0..255; several colours may have one id. Map a colour to
            :data:`zoo.data.IGNORE_INDEX` to ignore its pixels.
        tolerance: Largest difference in any channel at which a pixel still takes the id of a listed
            colour, in 0..255. The nearest one counts (sum of squares), of two the first listed.
        unlisted: Id of pixels near no listed colour; None refuses the mask.

    Raises:
        DataError: There is no colour, or a colour, an id or the tolerance is not in 0..255.

    Example:
        >>> import numpy as np
        >>> encode = ColorEncoder({(0, 0, 0): 0, (0, 0, 255): 1}, tolerance=10)
        >>> encode.ids(np.array([[[0, 0, 0], [3, 0, 250]]], np.uint8), "a.png")[0].tolist()
        [[0, 1]]
    """

    def __init__(
        self, colors: Mapping[Color, int], *, tolerance: int = 0, unlisted: int | None = None
    ) -> None:
        import numpy as np

        _check(colors, tolerance, unlisted)
        self.tolerance = tolerance
        self.unlisted = unlisted
        self._colors = np.array(list(colors), np.int64).reshape(-1, 3)
        self._ids = np.array(list(colors.values()), np.int64)
        keys = _pack(self._colors)
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def __call__(
        self, masks: list[NDArray[np.uint8 | np.uint16]], pair: _HasMasks
    ) -> tuple[Ids, list[str]]:
        """Return the ids of a pair's only mask, and the repairs.

        Args:
            masks: One mask, see :meth:`ids`.
            pair: The pair, for its name in errors.

        Raises:
            DataError: There are several masks, or see :meth:`ids`.
        """
        if len(masks) != 1:
            message = f"cannot read the masks of {pair.masks[0]!r}: found {len(masks)}, expected 1."
            raise DataError(message, hint="give each image one mask.")
        return self.ids(masks[0], pair.masks[0])

    def ids(self, mask: NDArray[np.uint8 | np.uint16], name: str) -> tuple[Ids, list[str]]:
        """Return ``(H, W)`` ids of a mask, and a line for each repair.

        Args:
            mask: ``(H, W, 3)`` RGB or ``(H, W)`` grey, uint8.
            name: How errors name the mask.

        Raises:
            DataError: The mask has another type or shape, or colours near no listed one: each is
                named with its pixels and its first place.
        """
        import numpy as np

        if mask.dtype != np.uint8 or mask.ndim not in (2, 3) or mask.shape[2:] not in ((), (3,)):
            found = f"{mask.dtype} of shape {mask.shape}"
            message = f"cannot read the mask {name!r}: found {found}, expected 8-bit colours."
            raise DataError(message, hint="export the mask as 8-bit RGB PNG.")
        keys = _pack(mask if mask.ndim == 3 else mask[..., None].repeat(3, axis=2))
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        is_other = self._keys[places] != keys
        ids = self._ids[self._order[places]]
        repairs = self._match(keys, is_other, ids, name) if is_other.any() else []
        return ids.astype(np.uint8), repairs

    def _match(
        self,
        keys: NDArray[np.int64],
        is_other: NDArray[np.bool_],
        ids: NDArray[np.int64],
        name: str,
    ) -> list[str]:
        """Set the ids of pixels whose colour is not listed; return the repairs."""
        import numpy as np

        others, first, back, counts = np.unique(
            keys[is_other], return_index=True, return_inverse=True, return_counts=True
        )
        nearest, is_near = self._find_nearest(others)
        found = self._ids[nearest]
        if not is_near.all():
            if self.unlisted is None:
                far = np.flatnonzero(~is_near)
                at = np.argwhere(is_other)[first[far]]
                raise self._refuse(others[far], counts[far], at, name)
            found[~is_near] = self.unlisted
        ids[is_other] = found[back]
        near_px, far_px = int(counts[is_near].sum()), int(counts[~is_near].sum())
        repairs = ["pixels took the id of the nearest listed colour"] if near_px else []
        return [*repairs, f"pixels of no listed colour got {self.unlisted}"] if far_px else repairs

    def _find_nearest(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Return the index of the nearest listed colour within the tolerance, and whether one is.

        Distance in any channel decides whether a colour is near, the sum of squares which one.
        """
        import numpy as np

        nearest = np.zeros(len(keys), np.intp)
        is_near = np.zeros(len(keys), np.bool_)
        if not self.tolerance:
            return nearest, is_near
        step = max(1, _COMPARED_AT_ONCE // len(self._colors))
        for start in range(0, len(keys), step):
            part = slice(start, start + step)
            apart = _unpack(keys[part])[:, None] - self._colors[None]
            is_within = np.abs(apart).max(axis=2) <= self.tolerance
            squares = np.where(is_within, (apart**2).sum(axis=2), np.iinfo(np.int64).max)
            nearest[part], is_near[part] = squares.argmin(axis=1), is_within.any(axis=1)
        return nearest, is_near

    def _refuse(
        self,
        keys: NDArray[np.int64],
        counts: NDArray[np.intp],
        places: NDArray[np.intp],
        name: str,
    ) -> DataError:
        import numpy as np

        order = np.argsort(-counts, kind="stable")[:_MOST_NAMED]
        named = ", ".join(
            f"{_spell(keys[i])} ({int(counts[i])} px, first at x={places[i][1]} y={places[i][0]})"
            for i in order
        )
        more = f" and {len(keys) - len(order)} more" if len(keys) > len(order) else ""
        listed = ", ".join(_spell(key) for key in _pack(self._colors[:_MOST_NAMED]))
        rest = ", ..." if len(self._colors) > _MOST_NAMED else ""
        within = f" within {self.tolerance} in each channel" if self.tolerance else ""
        message = (
            f"cannot read the mask {name!r}: found colours that no class lists: {named}{more}; "
            f"expected {listed}{rest}{within}."
        )
        hint = "list these colours, or correct the mask."
        if len(keys) > _MOST_NAMED:
            hint = "export the mask as PNG without anti-aliasing, or give a tolerance."
        return DataError(message, hint=hint)


def _check(colors: Mapping[Color, int], tolerance: int, unlisted: int | None) -> None:
    if not 1 <= len(colors) <= _MOST_COLORS:
        found = f"found {len(colors)} colours, expected 1..{_MOST_COLORS}"
        raise _refusal(found)
    listed: list[Any] = list(colors)
    for color in listed:
        if not isinstance(color, tuple) or len(color) != 3:
            found = f"found {color!r:.80}, expected a tuple of red, green and blue"
            raise _refusal(found)
    ids = [*colors.values(), *([] if unlisted is None else [unlisted])]
    channels = [channel for color in colors for channel in color]
    for what, values in (("tolerance", [tolerance]), ("id", ids), ("channel", channels)):
        strange = next((value for value in values if not _is_byte(value)), None)
        if strange is not None:
            found = f"found the {what} {strange!r:.80}, expected 0..{_MOST_ID}"
            raise _refusal(found)


def _is_byte(value: object) -> bool:
    try:
        return not isinstance(value, (bool, str, float)) and value in range(_MOST_ID + 1)
    except (TypeError, ValueError):  # an array has no single truth
        return False


def _refusal(found: str) -> DataError:
    message = f"cannot make ids of colours: {found}."
    return DataError(message, hint="give a table such as {(0, 0, 0): 0, (255, 0, 0): 1}.")


def _pack(colors: NDArray[np.integer]) -> NDArray[np.int64]:
    import numpy as np

    red, green, blue = (colors[..., channel].astype(np.int64) for channel in range(3))
    packed: NDArray[np.int64] = red << 16 | green << 8 | blue
    return packed


def _unpack(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    return np.stack([keys >> 16, keys >> 8 & 255, keys & 255], axis=-1)


def _spell(key: int) -> str:
    return f"({int(key) >> 16}, {int(key) >> 8 & 255}, {int(key) & 255})"
