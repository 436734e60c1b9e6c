# SPDX-License-Identifier: Apache-2.0
"""``open_model``: from what a user calls a model to one that predicts."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from zoo.engine.checkpoints.checkpoint import Checkpoint, as_colors, load_checkpoint
from zoo.engine.checkpoints.fit import check_classes, check_fits, no_larger_than
from zoo.engine.checkpoints.kept import choose_checkpoint
from zoo.engine.config.building import explaining
from zoo.engine.config.data_folder import family_of, iterate_heads
from zoo.engine.config.reading import read_config
from zoo.engine.config.type_names import check_type_names
from zoo.engine.dataset.class_check import COUNT_OTHERWISE, dataset_classes
from zoo.engine.overlays.palette import default_palette
from zoo.engine.prediction.image_reader import find_test_dataset
from zoo.engine.prediction.notices import join_notices, notices_of_config
from zoo.engine.records.budget import within_budget
from zoo.engine.records.confining import registries_alone
from zoo.engine.work_dir.dumped_config import find_dumped_config
from zoo.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import device as Device
    from torch import nn

    from zoo.manifest.rows import WeightsRow

__all__ = [
    "LoadedModel",
    "choose_device",
    "is_weights_name",
    "open_model",
]

MAX_CLASSES = 255
# Sizes that cannot be, packages that are not there.
_BUILD_FAILURES = (ArithmeticError, IndexError, MemoryError, RuntimeError)
_FORMS = "a weights name, a published .safetensors, a work dir, or CONFIG,CHECKPOINT"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model with its weights, ready to predict.

    Attributes:
        name: What it is called: its weights' name, its work dir's or its checkpoint's.
        module: The model in evaluation mode; ``test_step`` takes a batch.
        config: The resolved config that it was built from.
        task: ``semantic`` or ``instance``.
        classes: The name of each id.
        palette: The RGB colour of each id.
        checkpoint: The file that its weights come from.
        is_published: Whether its config is the record of a published file, which may be anybody's.
        notice: What everybody who sees a result should read, or None.
    """

    name: str
    module: Any
    config: Config
    task: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    checkpoint: Path
    is_published: bool = False
    notice: str | None = None

    def confined(self) -> AbstractContextManager[None]:
        """Return the block in which one image is predicted, under the rules for a record.

        Its types come from registries alone, and it has a budget.
        """
        return _confined() if self.is_published else nullcontext()

    def identity(self) -> dict[str, str | None]:
        """Return what a result says of the model that made it, the weights' sha256 included."""
        filename = self.config.filename
        with self.checkpoint.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {
            "name": self.name,
            "config": Path(filename).name if filename else None,
            "checkpoint": self.checkpoint.name,
            "sha256": digest,
        }


@contextmanager
def _confined() -> Iterator[None]:
    with registries_alone(), within_budget():
        yield


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a model is put together from."""

    name: str
    config: Config
    checkpoint: Checkpoint
    task: str | None = None  # where something other than the config states it
    is_old: bool = False  # upstream's: its data sets may name classes otherwise today
    is_published: bool = False  # its config is a record, which may be anybody's
    notices: tuple[str | None, ...] = ()  # besides those of the plugins that the config names


def open_model(spec: str, *, device: str = "auto") -> LoadedModel:
    """Return the model that a name, a file, a work dir or ``CONFIG,CHECKPOINT`` stands for.

    Of a work dir the best checkpoint is taken (``best_*.pth``, that of the latest step), else
    the last one, each only if its bytes hold, and the config that the run wrote there. A config is
    Python, and reading it runs it: open a work dir or a CONFIG only of people you trust. Weights
    are read without running anything in them, and a published file holds no code.

    Args:
        spec: A weights name, a published ``.safetensors``, a work dir, or ``CONFIG,CHECKPOINT``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is CUDA where there is one.

    Raises:
        UnknownNameError: There are no weights and no config of that name.
        CheckpointError: The weights cannot be read, or do not fit the config.
        ConfigError: The config cannot be built, is of no task that zoo predicts, or the device
            is not there.
    """
    parts = _find_parts(spec)
    place = choose_device(device)
    task = parts.task or family_of(parts.config) or "semantic"
    classes, palette = _classes(parts, task)
    with registries_alone() if parts.is_published else nullcontext():
        module = _build(parts, len(classes), task)
    return LoadedModel(
        name=parts.name,
        module=module.to(place).eval(),
        config=parts.config,
        task=task,
        classes=classes,
        palette=palette,
        checkpoint=parts.checkpoint.path,
        is_published=parts.is_published,
        notice=join_notices([*parts.notices, *notices_of_config(parts.config._cfg_dict)]),
    )


def choose_device(name: object) -> Device:
    """Return the device of a name, ``auto`` being CUDA where there is one, else the CPU.

    Raises:
        ConfigError: There is no such device here.
    """
    import torch

    if not isinstance(name, (str, torch.device)):
        message = f"cannot use the device {name!r:.40}: expected its name."
        raise ConfigError(message, where="--device", hint="use --device cpu, or auto.")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        message = f"cannot use the device {name!r}: {reason}."
        raise ConfigError(message, where="--device", hint="use --device cpu, or auto.") from error
    return device


def _find_parts(spec: str) -> _Parts:
    path = Path(os.path.expanduser(spec))
    if os.path.isdir(path):
        return _from_work_dir(path)
    if os.path.isfile(path):
        return _from_file(path)
    config, comma, checkpoint = spec.rpartition(",")
    if comma:
        loaded = load_checkpoint(checkpoint.strip())
        return _Parts(loaded.path.stem, read_config(config.strip(), pretrained="none"), loaded)
    if not is_weights_name(spec):
        message = f"cannot open the model {spec!r}: there is no such file or folder."
        raise CheckpointError(message, path=path, hint=f"give {_FORMS}.")
    return _from_catalog(spec)


def is_weights_name(spec: str) -> bool:
    """Return whether a model is called by a weights name, rather than by a file or a folder."""
    path = Path(os.path.expanduser(spec))
    is_path = path.suffix in {".pth", ".pt", ".safetensors", ".py"} or "/" in spec or "," in spec
    return not (is_path or os.path.isdir(path) or os.path.isfile(path))


def _from_work_dir(folder: Path) -> _Parts:
    found = choose_checkpoint(folder, prefer="best")
    if found is None:
        message = f"cannot open the work dir {str(folder)!r}: found no checkpoint in it."
        hint = "train first, or give CONFIG,CHECKPOINT."
        raise CheckpointError(message, path=folder, hint=hint)
    config = read_config(find_dumped_config(folder), pretrained="none")
    return _Parts(folder.resolve().name, config, load_checkpoint(found))


def _from_file(path: Path) -> _Parts:
    if path.suffix == ".safetensors":
        return _from_published(path, path.stem)
    is_weights = path.suffix in {".pth", ".pt"}
    message = f"cannot open the model {path.name!r}: "
    message += "a checkpoint alone has no config." if is_weights else f"expected {_FORMS}."
    hint = f"give CONFIG,{path}." if is_weights else f"give {path},CHECKPOINT if it is a config."
    raise CheckpointError(message, path=path, hint=hint)


def _from_published(path: Path, name: str) -> _Parts:
    from mmengine.config import Config

    from zoo.engine.checkpoints.published import read_published

    record, state_dict = read_published(path)
    meta = {"dataset_meta": {"classes": list(record.classes), "palette": record.palette}}
    checkpoint = Checkpoint(path, state_dict, meta)
    config = Config(record.config)
    notices = (record.notice,)
    return _Parts(name, config, checkpoint, record.task, is_published=True, notices=notices)


def _from_catalog(name: str) -> _Parts:
    from zoo.weights.by_name import find_weights
    from zoo.weights.files import find_weights_file

    found = find_weights(name)
    row = cast("WeightsRow", found.row)
    path = find_weights_file(found)
    notice = found.record.checked().notice
    is_old = not row.urls  # an adopted checkpoint of upstream: converted, without a record
    if path.suffix == ".safetensors" and not is_old:
        parts = _from_published(path, name)
        return replace(parts, notices=(*parts.notices, notice))
    if not row.config:
        message = f"cannot open the model {name!r}: its index names no config."
        raise CheckpointError(message, path=path, hint=f"give CONFIG,{path}.")
    config = read_config(row.config, pretrained="none")
    return _Parts(name, config, load_checkpoint(path), row.task, is_old, notices=(notice,))


def _classes(parts: _Parts, task: str) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Return the class names and colours that the weights were trained with."""
    dataset, where = find_test_dataset(parts.config), parts.checkpoint.path
    trained = parts.checkpoint.classes
    stated = dataset_classes(parts.config, dict(dataset)) if dataset else None
    if parts.is_old and trained:
        stated = None
    check_classes(trained, stated, None, where=where)
    classes = trained or stated
    if not classes:
        message = f"cannot predict with {parts.name!r}: neither weights nor config name classes."
        hint = "give the test dataset of the config a metainfo=dict(classes=[...])."
        raise ConfigError(message, where=where, hint=hint)
    if task == "semantic" and len(classes) > MAX_CLASSES:
        message = f"cannot predict {len(classes)} classes: labels are 8-bit, {MAX_CLASSES} fit."
        raise ConfigError(message, where=where)
    stated_colors = as_colors((dataset.get("metainfo") or {}).get("palette"), classes)
    return classes, parts.checkpoint.palette or stated_colors or default_palette(classes)


def _build_untrained(parts: _Parts) -> nn.Module:
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(parts.config.get("default_scope", "mmseg"))
    if not parts.is_published:  # a record's types are on the list; here they would be imported
        check_type_names(parts.config)
    where = parts.checkpoint.path
    held = parts.checkpoint.state_dict if parts.is_published else None
    with explaining(parts.config, where), warnings.catch_warnings(), no_larger_than(held, where):
        # Advice from OpenMMLab on how the config might have been written.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"mm(seg|det|engine|cv)\.")
        try:
            module: nn.Module = MODELS.build(parts.config.model)
        except _BUILD_FAILURES as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            message = f"cannot build the model {parts.name!r}: {reason[:200]}."
            hint = "correct its config; --debug shows where it was refused."
            raise ConfigError(message, where=where, hint=hint) from error
    return module


def _build(parts: _Parts, classes: int, task: str) -> nn.Module:
    where = parts.checkpoint.path
    module = _build_untrained(parts)
    for counted in _counted_classes(parts, module, task):
        if counted != classes:
            message = f"cannot predict with {parts.name!r}: the model tells {counted} "
            message += f"classes apart, the weights name {classes}."
            raise CheckpointError(message, path=where, hint="use the config it was trained with.")
    check_fits(module, parts.checkpoint.state_dict, where)
    module.load_state_dict(parts.checkpoint.state_dict, strict=False)
    return module


def _counted_classes(parts: _Parts, module: nn.Module, task: str) -> list[int]:
    """Return how many classes each head tells apart, as far as it says."""
    if task == "semantic":
        head: Any = getattr(module, "decode_head", None)
        channels = getattr(head, "out_channels", 1)
        # One channel and a threshold is how mmseg writes two classes.
        return [] if channels == 1 else [channels]
    if not COUNT_OTHERWISE.isdisjoint(parts.config.model):
        return []
    return [head["num_classes"] for _, head in iterate_heads(parts.config.model)]
