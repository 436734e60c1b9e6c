# SPDX-License-Identifier: Apache-2.0
"""State dicts of other libraries: renamed, joined, permuted. Plugins' converters use this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.conversion.keymap import KeyMap, Mapped
    from zoo.conversion.mismatches import Misshaped, mismatch
    from zoo.conversion.renaming import Rule, rename, require_shape
    from zoo.conversion.swin import SWIN_BUFFERS, Swin
    from zoo.conversion.tables import Entry, convert_by_table
    from zoo.conversion.tensors import join_qkv, swin_merging, window_index
else:
    from zoo.faces import lazy_names as _lazy_names

    __getattr__, __dir__ = _lazy_names(
        __name__,
        {
            "zoo.conversion.keymap": ["KeyMap", "Mapped"],
            "zoo.conversion.mismatches": ["Misshaped", "mismatch"],
            "zoo.conversion.renaming": ["Rule", "rename", "require_shape"],
            "zoo.conversion.swin": ["SWIN_BUFFERS", "Swin"],
            "zoo.conversion.tables": ["Entry", "convert_by_table"],
            "zoo.conversion.tensors": ["join_qkv", "swin_merging", "window_index"],
        },
    )

__all__ = [
    "SWIN_BUFFERS",
    "Entry",
    "KeyMap",
    "Mapped",
    "Misshaped",
    "Rule",
    "Swin",
    "convert_by_table",
    "join_qkv",
    "mismatch",
    "rename",
    "require_shape",
    "swin_merging",
    "window_index",
]
