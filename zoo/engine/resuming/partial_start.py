# SPDX-License-Identifier: Apache-2.0
"""Start from weights that fit in part: report what is loaded and what keeps its initial values."""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmengine.runner.checkpoint as checkpoint_module
from mmengine.model import PretrainedInit
from mmengine.runner import Runner

from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.checkpoints.fit import OPTIONAL_SUFFIX, format_names
from zoo.engine.patching import exchanged
from zoo.engine.processes.joining import unwrap_model
from zoo.engine.resuming.widening import widened
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

__all__ = ["Start", "listing_start", "placed", "take_weights"]

_LEAST_OF_PART = 4  # tensors: fewer may fit by chance


@dataclass(frozen=True, slots=True)
class Start:
    """Which weights of a file a model loaded.

    Attributes:
        taken: Number of tensors of the model with the file's values.
        shaped: Names of the model that have another shape in the file, with both shapes.
        missing: Names of the model that the file lacks.
        unexpected: Names of the file that the model lacks.
    """

    taken: int
    shaped: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def text(self, where: str | Path) -> str:
        """Return it as text, with ten names of each kind.

        Args:
            where: The file.
        """
        count = self.taken + len(self.shaped) + len(self.missing)
        lines = [f"starting from {where}: {self.taken} of the model's {count} tensors taken"]
        for one, several, names in (
            (
                "has another shape in the file and keeps its initial values",
                "have another shape in the file and keep their initial values",
                self.shaped,
            ),
            (
                "is missing in the file and keeps its initial values",
                "are missing in the file and keep their initial values",
                self.missing,
            ),
            (
                "of the file is not in the model",
                "of the file are not in the model",
                self.unexpected,
            ),
        ):
            if names:
                label = f"1 tensor {one}" if len(names) == 1 else f"{len(names)} tensors {several}"
                lines.append(f"{label}: {format_names(names)}")
        return "\n".join(lines)


@contextmanager
def listing_start(bands: Sequence[str] | None = None) -> Iterator[None]:
    """Run mmengine with a ``load_from`` that loads what fits in a file, and logs what does not.

    Inside, a run that starts from weights, rather than resumes, loads them with `take_weights`; and
    a part of a model, such as its backbone, refuses a file of which nothing fits.

    Args:
        bands: Names of the bands that the model reads, to which a first layer for red, green and
            blue is widened; None for pictures.
    """
    names = tuple(bands or ())
    with (
        exchanged(Runner, load_checkpoint=_starting(Runner.load_checkpoint, names)),
        exchanged(PretrainedInit, __call__=_refusing_nothing(PretrainedInit.__call__, names)),
    ):
        yield


def _refusing_nothing(original: Callable[..., Any], bands: Sequence[str]) -> Callable[..., Any]:
    def initialize(self: PretrainedInit, module: Module) -> None:
        file = (self.checkpoint, self.prefix)
        load = partial(_load_some, checkpoint_module.load_state_dict, file, bands)
        with exchanged(checkpoint_module, load_state_dict=load):
            original(self, module)

    return initialize


def _load_some(
    original: Callable[..., Any],
    file: tuple[str, str | None],
    bands: Sequence[str],
    module: Module,
    state_dict: Mapping[str, Tensor],
    *args: Any,
    **kwargs: Any,
) -> None:
    state_dict, _ = placed(module, state_dict)
    state_dict, _ = widened(module, state_dict, bands)
    own = module.state_dict()
    if not any(k in own and own[k].shape == value.shape for k, value in state_dict.items()):
        # Into a copy, because a module may rename what it loads.
        hint = "give weights for this architecture, or set that part's init_cfg to None."
        where, prefix = file
        if prefix is not None or any(name.startswith("backbone.") for name in state_dict):
            hint = "to use weights of a whole model: --pretrained "
            hint += f"{where} "
            hint += "--cfg-options model.backbone.init_cfg=None."
        _take(copy.deepcopy(module), *_part(module, state_dict), where, hint)
    original(module, state_dict, *args, **kwargs)


def _starting(original: Callable[..., Any], bands: Sequence[str]) -> Callable[..., Any]:
    def start(self: Runner, filename: str, *args: Any, **kwargs: Any) -> Any:
        if self._resume:
            return original(self, filename, *args, **kwargs)
        found = load_checkpoint(filename)
        model = unwrap_model(self.model)
        state_dict, place = placed(model, found.state_dict)
        state_dict, wider = widened(model, state_dict, bands)
        fitting, shaped = _part(model, state_dict)
        checkpoint = {"state_dict": fitting, "meta": dict(found.meta)}
        # EMAHook loads it too, and would print what is missing.
        quiet = partial(checkpoint_module.load_state_dict, logger="silent")
        with exchanged(checkpoint_module, load_state_dict=quiet):
            self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        report = _take(model, checkpoint["state_dict"], shaped, filename)
        if place:
            self.logger.info(f"{filename} holds weights of a part of the model, {place}")
        if wider:
            text = f"{', '.join(wider)} widened from red, green and blue to {len(bands)} bands"
            self.logger.info(text)
        is_whole = not (report.shaped or report.missing or report.unexpected)
        (self.logger.info if is_whole else self.logger.warning)(report.text(filename))
        self._has_loaded = True
        return checkpoint

    return start


def placed(
    model: Module, state_dict: Mapping[str, Tensor]
) -> tuple[Mapping[str, Tensor], str | None]:
    """Return weights of a part of a model by their names in the whole, and which part that is.

    Weights of a backbone, or of an encoder inside one, are recognized by their names and shapes,
    which match most of the part's tensors. If any weight fits the whole model, they are unchanged.

    Args:
        model: The whole model.
        state_dict: Weights by name.
    """
    own = {name: value.shape for name, value in model.state_dict().items()}
    if any(own.get(name) == value.shape for name, value in state_dict.items()):
        return state_dict, None
    place, count = _likely_place(own, {name: value.shape for name, value in state_dict.items()})
    size = sum(name.startswith(f"{place}.") for name in own if not name.endswith(OPTIONAL_SUFFIX))
    if place is None or count < _LEAST_OF_PART or 2 * count < size:
        return state_dict, None
    moved = OrderedDict((f"{place}.{name}", value) for name, value in state_dict.items())
    moved._metadata = getattr(state_dict, "_metadata", None)  # type: ignore[attr-defined]
    return moved, place


def _likely_place(own: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[str | None, int]:
    """Return the part whose tensors most of the given names are, and how many; equal if known."""
    counts: Counter[str] = Counter()
    for name, shape in own.items():
        parts = name.split(".")
        for at in range(1, len(parts)):
            rest = ".".join(parts[at:])
            if rest in given and given[rest] == shape and not name.endswith(OPTIONAL_SUFFIX):
                counts[".".join(parts[:at])] += 1
    return counts.most_common(1)[0] if counts else (None, 0)


def take_weights(model: Module, state_dict: Mapping[str, Tensor], where: str | Path) -> Start:
    """Load what fits into a model, keep the rest unchanged, and return what was done.

    Args:
        model: The model, not in a wrapper.
        state_dict: Weights by name; not changed.
        where: The file of the weights, for the message.

    Raises:
        CheckpointError: None of them fits.
    """
    return _take(model, *_part(model, state_dict), where)


def _part(
    model: Module, state_dict: Mapping[str, Tensor]
) -> tuple[OrderedDict[str, Tensor], list[str]]:
    """Return the weights without those of another shape, and the names of these."""
    own = model.state_dict()
    shaped = [
        name for name in own if name in state_dict and own[name].shape != state_dict[name].shape
    ]
    left_out = set(shaped)
    fitting = OrderedDict((k, value) for k, value in state_dict.items() if k not in left_out)
    # Modules tell by it how old their weights are.
    fitting._metadata = getattr(state_dict, "_metadata", None)  # type: ignore[attr-defined]
    texts = [
        f"{name} {tuple(state_dict[name].shape)}, expected {tuple(own[name].shape)}"
        for name in shaped
    ]
    return fitting, texts


def _take(
    model: Module,
    fitting: Mapping[str, Tensor],
    shaped: Sequence[str],
    where: str | Path,
    hint: str | None = None,
) -> Start:
    names = [name for name in model.state_dict() if not name.endswith(OPTIONAL_SUFFIX)]
    try:
        found = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:
        # Under the name that a module gave it while it loaded.
        reason = "; ".join(str(error).strip().splitlines()[1:4]).replace("\t", "").rstrip(". ")
        message = f"cannot start from {Path(where).name!r}: {reason}."
        hint = "remove these weights from the file, or use a config whose layers have their shapes."
        raise CheckpointError(message, path=where, hint=hint) from error
    left = {text.partition(" ")[0] for text in shaped}
    missing = [name for name in found.missing_keys if name in names and name not in left]
    taken = len(names) - len(missing) - len(left)
    if taken <= 0:
        raise _nothing_fits(where, fitting, shaped, names, hint)
    return Start(taken, tuple(shaped), tuple(missing), tuple(found.unexpected_keys))


def _nothing_fits(
    where: str | Path,
    fitting: Mapping[str, Tensor],
    shaped: Sequence[str],
    names: Sequence[str],
    hint: str | None,
) -> CheckpointError:
    count = len(fitting) + len(shaped)
    message = f"cannot start from {Path(where).name!r}: none of its {count} tensors fits the "
    message += f"model's {len(names)}; found {format_names(list(fitting) or shaped, 3)}, "
    message += f"expected names such as {format_names(names, 3)}."
    return CheckpointError(message, path=where, hint=hint or _hint(where, fitting, names))


def _hint(where: str | Path, given: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the key of the part that the names are of, though not the shapes; it knows better."""
    place, _ = _likely_place(dict.fromkeys(names, 0), dict.fromkeys(given, 0))
    if place is None or place.partition(".")[0] != "backbone":
        return "give weights for this model's architecture, or train from random weights."
    key = f"model.{place}.init_cfg"
    return (
        f"--cfg-options {key}.type=Pretrained {key}.checkpoint={where} shows why they do not fit."
    )
