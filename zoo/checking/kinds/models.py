# SPDX-License-Identifier: Apache-2.0
"""Checks of models and their parts, called on images or on feature maps."""

from __future__ import annotations

import inspect
from typing import Any

from zoo.checking.expecting import NotMeant, expect, named, needs
from zoo.checking.kinds.base import KindChecks

__all__ = ["ModelChecks"]

# No multiple of a stride, and not square.
ODD_PX = (75, 109)
EVEN_PX = (64, 96)


class ModelChecks(KindChecks):
    """Checks of ``[[model]]`` rows; override ``make_inputs`` for a part with other inputs."""

    def make_inputs(self, name: str, model: Any, size_px: tuple[int, int]) -> Any:
        """Return the input of a model or a part of one; two images.

        By default, images ``(2, C, H, W)`` for a module that takes one tensor, with as many
        channels as its ``in_channels`` says, else three. None leaves the row to its configs.

        Args:
            name: Name of the row.
            model: The module.
            size_px: Height and width.
        """
        import torch

        if not _takes_one_tensor(model):
            return None
        channels = getattr(model, "in_channels", 3)
        count = channels if isinstance(channels, int) else 3
        return torch.rand(2, count, *size_px, generator=torch.Generator().manual_seed(0))

    def test_model_takes_images_of_odd_sizes(self, each_model: dict[str, Any]) -> None:
        """Images whose sides no stride divides give finite outputs, as many as others do."""
        said, model = named(each_model), self._built(each_model)

        outputs = [self._outputs(each_model, model.eval(), size) for size in (EVEN_PX, ODD_PX)]

        counts = [len(each) for each in outputs]
        told = f"{said}: {counts[1]} outputs at {ODD_PX} px, {counts[0]} at {EVEN_PX}"
        expect(counts[0] == counts[1] > 0, told)
        for tensor in (each for some in outputs for each in some):
            shape = tuple(tensor.shape)
            expect(tensor.isfinite().all(), f"{said}: an output {shape} is not finite")

    def test_model_passes_gradients_to_every_parameter(self, each_model: dict[str, Any]) -> None:
        """After one backward pass, every parameter that is trained has a gradient."""
        said, model = named(each_model), self._built(each_model)
        model.train()

        outputs = self._outputs(each_model, model, EVEN_PX)
        sum(each.square().mean() for each in outputs).backward()

        trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
        without = [name for name, each in trained.items() if each.grad is None]
        expect(not without, f"{said}: no gradient reaches {', '.join(without[:5])}")

    def test_model_keeps_its_state(self, each_model: dict[str, Any]) -> None:
        """A second model with the first one's state dict gives the same outputs."""
        import torch

        said = named(each_model)
        first, second = self._built(each_model).eval(), self._built(each_model).eval()
        with torch.no_grad():
            for parameter in first.parameters():
                parameter.add_(0.01)
        second.load_state_dict(first.state_dict())

        outputs = [self._outputs(each_model, each, EVEN_PX) for each in (first, second)]

        again = self._outputs(each_model, first, EVEN_PX)
        if not all(torch.equal(one, other) for one, other in zip(outputs[0], again, strict=True)):
            message = f"{said} draws random numbers, which another rule tells"
            raise NotMeant(message)
        is_equal = all(torch.equal(one, other) for one, other in zip(*outputs, strict=True))
        expect(is_equal, f"{said}: the state dict does not hold all that its output depends on")

    def test_model_in_eval_mode_repeats_itself(self, each_model: dict[str, Any]) -> None:
        """In eval mode, equal images give equal outputs."""
        import torch

        said, model = named(each_model), self._built(each_model).eval()

        outputs = [self._outputs(each_model, model, EVEN_PX) for _ in range(2)]

        is_equal = all(torch.equal(one, other) for one, other in zip(*outputs, strict=True))
        expect(is_equal, f"{said}: two calls in eval mode give different outputs")

    def _built(self, config: dict[str, Any]) -> Any:
        missing = self.missing_arguments(config)
        if missing:
            message = f"{named(config)} needs {', '.join(missing)}, and settings states none"
            raise NotMeant(message)
        return _build(config)

    def _outputs(self, config: dict[str, Any], model: Any, size_px: tuple[int, int]) -> list[Any]:
        name = str(config["type"]).rpartition(".")[2]
        inputs = self.make_inputs(name, model, size_px)
        if inputs is None:
            message = f"{named(config)} is no module of one tensor: its configs run it"
            raise NotMeant(message)
        return _tensors(model(inputs))


def _build(config: dict[str, Any]) -> Any:
    import torch

    torch.manual_seed(0)
    return needs("mmengine.registry").MODELS.build(config)


def _takes_one_tensor(model: Any) -> bool:
    """Return whether ``forward`` needs one argument, as that of a backbone; no head, no model."""
    parts = {each.__name__ for each in type(model).__mro__}
    if parts & {"BaseModel", "BaseDecodeHead", "BaseDenseHead", "FCNMaskHead"}:
        return False
    required = [
        each
        for each in inspect.signature(model.forward).parameters.values()
        if each.default is inspect.Parameter.empty
        and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return len(required) == 1


def _tensors(value: Any) -> list[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [each for some in value for each in _tensors(some)] if value is not None else []
