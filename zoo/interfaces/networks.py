# SPDX-License-Identifier: Apache-2.0
"""Networks, their losses, and weights that other libraries saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Buildable", "Converter", "Loss", "MaskLoss", "Module"]


class Buildable(Protocol):
    """Anything that a config builds by ``type=``; its other keys are keyword arguments."""

    def __call__(self, **kwargs: Any) -> Any:
        """Return the instance, or the result of a function."""


class Converter(Protocol):
    """Another library's state dict, as the state dict of an OpenMMLab model.

    It computes only from the tensors: it reads no files, uses no random numbers, and gives equal
    results for equal input, because the digest of the result is pinned.
    """

    def __call__(self, state_dict: Mapping[str, Tensor], /) -> dict[str, Tensor]:
        """Return the tensors of the model that the row's config builds, all of them and no others.

        Args:
            state_dict: Name -> tensor on the CPU, as the other library saved them.

        Raises:
            ConversionError: The tensors are those of another architecture.
        """


class Loss(Protocol):
    """A loss for mmseg decode heads: ``loss(pred, target, weight=..., ignore_index=...)``.

    A head has one loss or a list of losses, all called with the same arguments. Values with the
    same ``loss_name`` are summed. Only values whose name contains ``loss`` are optimized.
    """

    @property
    def loss_name(self) -> str:
        """Key in the log, such as ``loss_dice``; must contain ``loss``."""

    def __call__(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = 255,
    ) -> Tensor:
        """Return a loss of shape ``()``, finite and differentiable in ``pred``.

        Args:
            pred: ``(N, C, H, W)`` float logits at the size of the target; float16 or bfloat16 with
                mixed precision.
            target: ``(N, H, W)`` int64 with ids in ``[0, C)`` or ``ignore_index``. The loss must be
                finite even if all pixels are ignored or classes are absent.
            weight: ``(N, H, W)`` float weights from the head's pixel sampler, or None without one.
            ignore_index: Id of ignored pixels; passed by keyword.
        """


class MaskLoss(Protocol):
    """A loss for mmdet mask heads: ``loss(pred, target, labels)``, by position.

    The head builds one module, not a list, and logs its value as ``loss_mask``. It never passes
    ``weight`` or ``ignore_index``, and does not call the loss without instances.
    """

    def __call__(self, pred: Tensor, target: Tensor, labels: Tensor) -> Tensor:
        """Return a loss of shape ``()`` or ``(1,)``, differentiable in ``pred``.

        Args:
            pred: ``(K, C, h, w)`` float logits, one plane per class.
            target: ``(K, h, w)`` float, 1 inside the instance and 0 outside.
            labels: ``(K,)`` int64, the plane to use for each instance. A class-agnostic head has
                C = 1 and passes zeros.
        """


class Module(Protocol):
    """A network or a part of one: a ``torch.nn.Module``.

    A whole model's ``forward(inputs, data_samples, mode)`` returns a dict of losses for
    ``mode="loss"``, a list of data samples with predictions for ``"predict"``, and tensors for
    ``"tensor"``. The call of a part depends on its role: a backbone takes ``(N, 3, H, W)`` and
    returns a tuple of feature maps; a head takes that tuple.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the output of the module."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return parameters and buffers."""
