# SPDX-License-Identifier: Apache-2.0
"""``EfficientNetLite0``: a backbone with five maps, for heads of mmseg and necks of mmdet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo.errors import CheckpointError, ConfigError
from zoo_efficientnet_lite.blocks import InvertedResidual, SameConv2d, make_norm

__all__ = ["LEVEL_CHANNELS", "LEVEL_STRIDES", "EfficientNetLite0"]

LEVEL_CHANNELS = (16, 24, 40, 112, 320)
LEVEL_STRIDES = (2, 4, 8, 16, 32)

_STEM_CHANNELS = 32
# Per level: (blocks, output channels, kernel, stride of the first block, expansion).
_LEVELS = (
    ((1, 16, 3, 1, 1),),
    ((2, 24, 3, 2, 6),),
    ((2, 40, 5, 2, 6),),
    ((3, 80, 3, 2, 6), (3, 112, 5, 1, 6)),
    ((4, 192, 5, 2, 6), (1, 320, 3, 1, 6)),
)
_BLOCK_COUNT = sum(row[0] for rows in _LEVELS for row in rows)


class EfficientNetLite0(BaseModule):
    """EfficientNet-Lite0 without its classifier: maps at strides 2, 4, 8, 16 and 32.

    The maps have 16, 24, 40, 112 and 320 channels, and sides of ``ceil(side / stride)`` for any
    image size. Each map is a sum of linear projections without activation or norm, and scales
    differ between levels; ``out_norm`` adds a batch norm to each.

    With ``init_cfg=dict(type="zoo.efficientnet_lite.ImageNetWeights")``, the input is RGB as
    ``(value - 127) / 128``: ``mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True``.

    Args:
        out_indices: Indices of the maps to return, 0 to 4. Levels above the last are not built.
        frozen_stages: Stages that do not train and keep their batch statistics: -1 none, 0 the
            stem, k the stem and the first k levels.
        norm_eval: Whether to keep the batch statistics of all levels; scales and shifts still
            train.
        drop_path_rate: Probability that an image skips the last block in training; it decreases
            linearly to 0 at the first block. The classifier was trained with 0.2.
        out_norm: Whether to normalise each map with a separate batch norm (initial scale 1, shift
            0), which neither ``norm_eval`` nor ``frozen_stages`` freezes.
        with_cp: Whether to recompute each block in the backward pass (checkpointing): less memory,
            about a third more time, and two updates of batch statistics per step.
        init_cfg: Initialisation of mmengine; Kaiming's normal distribution by default.

    Raises:
        ConfigError: An argument is out of its range.

    Source:
        Tan & Le 2019, arXiv:1905.11946, table 1; "Lite" (ReLU6, no squeeze-and-excitation, a
        fixed stem): ``models/official/efficientnet/lite`` of github.com/tensorflow/tpu.

    Example:
        >>> backbone = dict(  # doctest: +SKIP
        ...     type="zoo.efficientnet_lite.EfficientNetLite0",
        ...     out_indices=(1, 2, 3, 4),
        ...     init_cfg=dict(type="zoo.efficientnet_lite.ImageNetWeights"),
        ... )
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        drop_path_rate: float = 0.0,
        out_norm: bool = False,
        with_cp: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(init_cfg or {"type": "Kaiming", "layer": "Conv2d"})
        self.out_indices = _checked_indices(out_indices)
        self.frozen_stages = _checked_stages(frozen_stages, self.out_indices[-1] + 1)
        _check_rate(drop_path_rate)
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        self.stem = nn.Sequential(
            SameConv2d(3, _STEM_CHANNELS, 3, stride=2),
            make_norm(_STEM_CHANNELS),
            nn.ReLU6(inplace=True),
        )
        levels = _make_levels(drop_path_rate)
        self.levels = nn.ModuleList(next(levels) for _ in range(self.out_indices[-1] + 1))
        self.out_norms = nn.ModuleList(
            nn.BatchNorm2d(LEVEL_CHANNELS[i]) for i in (self.out_indices if out_norm else ())
        )
        self._freeze()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``, each ``(N, C, ceil(H / s), ceil(W / s))``.

        Args:
            x: ``(N, 3, H, W)``.
        """
        x = self.stem(x)
        maps = []
        for index, level in enumerate(self.levels):
            for block in level.children():
                x = self._run(block, x)
            if index in self.out_indices:
                maps.append(x)
        if not self.out_norms:
            return tuple(maps)
        return tuple(norm(x) for norm, x in zip(self.out_norms, maps, strict=True))

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Set the mode of all layers that are not frozen, and return self.

        Args:
            mode: True for training.
        """
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in (*self.stem.modules(), *self.levels.modules()):
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Refuse the classifier's file, in which mmengine would skip every name with a warning."""
        if f"{prefix}_conv_stem.weight" in state_dict:
            message = "cannot load the classifier's weights into EfficientNetLite0: found names "
            message += "such as '_conv_stem.weight', expected 'stem.0.weight'."
            hint = "init_cfg=dict(type='zoo.efficientnet_lite.ImageNetWeights', checkpoint=FILE)"
            raise CheckpointError(message, where="init_cfg", hint=hint)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _run(self, block: nn.Module, x: Tensor) -> Tensor:
        if self.with_cp and x.requires_grad:
            x = checkpoint(block, x, use_reentrant=False)
        else:
            x = block(x)
        return x

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        for part in (self.stem, *self.levels[: self.frozen_stages]):
            part.eval()
            part.requires_grad_(False)


def _make_levels(drop_path_rate: float) -> Iterator[nn.Sequential]:
    """Yield the levels, each a sequence of blocks."""
    channels, number = _STEM_CHANNELS, 0
    for rows in _LEVELS:
        blocks = []
        for count, width, kernel_px, stride, expand_ratio in rows:
            for position in range(count):
                block = InvertedResidual(
                    channels,
                    width,
                    kernel_px=kernel_px,
                    stride=stride if position == 0 else 1,
                    expand_ratio=expand_ratio,
                    drop_rate=drop_path_rate * number / (_BLOCK_COUNT - 1),
                )
                blocks.append(block)
                channels, number = width, number + 1
        yield nn.Sequential(*blocks)


def _checked_indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    found = tuple(out_indices)
    if not found or list(found) != sorted(set(found) & set(range(len(_LEVELS)))):
        message = f"cannot build EfficientNetLite0: out_indices is {found!r}, "
        message += "expected ascending numbers from 0 to 4."
        hint = "0 to 4 are strides 2, 4, 8, 16, 32; an FPN takes (1, 2, 3, 4)."
        raise ConfigError(message, where="out_indices", hint=hint)
    return found


def _checked_stages(frozen_stages: int, levels: int) -> int:
    if frozen_stages not in range(-1, levels + 1):
        message = f"cannot build EfficientNetLite0: frozen_stages is {frozen_stages!r}, "
        message += f"expected -1 to {levels}."
        hint = "-1 freezes nothing, 0 the stem, k the first k levels too."
        raise ConfigError(message, where="frozen_stages", hint=hint)
    return frozen_stages


def _check_rate(drop_path_rate: float) -> None:
    if not 0 <= drop_path_rate < 1:
        message = f"cannot build EfficientNetLite0: drop_path_rate is {drop_path_rate!r}, "
        message += "expected 0 or more, and less than 1."
        raise ConfigError(message, where="drop_path_rate", hint="the classifier used 0.2.")
