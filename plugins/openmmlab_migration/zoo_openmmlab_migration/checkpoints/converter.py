# SPDX-License-Identifier: Apache-2.0
"""Living weights of mmdet 2.x: what `zoo migrate` renames, as a converter of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from zoo.conversion import mismatch
from zoo_openmmlab_migration.checkpoints.renaming import rename_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["mask2former"]

_TITLE = "Mask2Former of mmdet 2.x"
_REQUIRED = (
    "panoptic_head.level_embed.weight",
    "panoptic_head.pixel_decoder.encoder.layers.0.attentions.0.sampling_offsets.weight",
    "panoptic_head.transformer_decoder.layers.0.attentions.1.attn.in_proj_weight",
)


def mask2former(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a Mask2Former of mmdet 2.x under the names of mmdet 3.x.

    Args:
        state_dict: What mmdet 2.x saved.

    Raises:
        ConversionError: It is of another architecture.
    """
    missing = [name for name in _REQUIRED if name not in state_dict]
    if missing:
        known = ("backbone.", "panoptic_head.")
        raise mismatch(_TITLE, missing, [n for n in state_dict if not n.startswith(known)])
    return rename_weights(state_dict).weights
