# SPDX-License-Identifier: Apache-2.0
"""``open_model``: turn what a user calls a model into one that predicts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.checkpoint import Checkpoint, as_colors, load_checkpoint
from zoo.engine.checkpoints.classes import check_classes
from zoo.engine.checkpoints.fit import check_fits
from zoo.engine.checkpoints.size_limit import no_larger_than
from zoo.engine.config.building import explaining, without_advice
from zoo.engine.config.reading import read_config
from zoo.engine.config.type_names import check_type_names
from zoo.engine.config_parts.parts import family_of, find_test_dataset, iterate_heads
from zoo.engine.dataset.class_check import COUNT_OTHERWISE, dataset_classes
from zoo.engine.imports.light import light_imports
from zoo.engine.overlays.palette import default_palette
from zoo.engine.prediction.exports import check_export_device, open_exported
from zoo.engine.prediction.model_files import Licence, ModelFiles, find_model_files
from zoo.engine.prediction.notices import join_notices, notices_of_config
from zoo.engine.records.budget import within_budget
from zoo.engine.records.confining import registries_alone
from zoo.engine.records.exported_values import MAX_CLASSES
from zoo.engine.stepping.memory_format import put_channels_last
from zoo.errors import CheckpointError, ConfigError, PluginError, UnknownNameError
from zoo.files import digest_of_file

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import device as Device
    from torch import nn

    from zoo.catalog import Found
    from zoo.interfaces import ExportedModel

__all__ = [
    "LoadedModel",
    "choose_device",
    "open_model",
]

# Impossible sizes, missing packages.
_BUILD_FAILURES = (ArithmeticError, IndexError, MemoryError, RuntimeError)


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model with its weights, ready to predict.

    Attributes:
        name: The name of its weights, its work dir or its checkpoint.
        module: The model in evaluation mode; ``test_step`` takes a batch.
        config: The resolved config from which it was built.
        task: ``semantic`` or ``instance``.
        classes: The name of each id.
        palette: The RGB colour of each id.
        checkpoint: The file of its weights.
        is_published: Whether its config is the record of a published file, which anyone may have
            written.
        notice: What everyone who sees a result should read, or None.
        sha256: Digest of ``checkpoint``, if it was verified when the model's files were found.
        licence: The terms of weights and data, as their row or their record states them; None if
            neither does.
        export: The opened file of an exporter, which predicts in place of ``module``; else None.
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
    sha256: str | None = None
    licence: Licence | None = None
    export: ExportedModel | None = None

    def confined(self) -> AbstractContextManager[None]:
        """Return a context in which to predict one image under the rules for a record.

        Types come from registries only, and the prediction has a budget.
        """
        return _confined() if self.is_published else nullcontext()

    def images_seen(
        self, digests: Collection[str], splits: Collection[str] = ("train",)
    ) -> frozenset[str] | None:
        """Return those images that its weights have seen, as its checkpoint says.

        Args:
            digests: The sha256 of images or of their sources, as rows of ``dataset.json`` state
                them, 64 hex digits each.
            splits: ``train`` for what it was trained on, ``val`` for what chose the best one.

        Returns:
            A part of ``digests``; None if the checkpoint does not say what it was trained on, as
            published files and checkpoints of other tools do not.

        Raises:
            CheckpointError: The checkpoint cannot be read.
        """
        from zoo.engine.dataset.history import images_seen

        if self.is_published or self.export is not None:
            return None
        return images_seen(load_checkpoint(self.checkpoint).meta, digests, splits)

    def identity(self) -> dict[str, str | None]:
        """Return what a result states about its model, including the sha256 of the weights."""
        filename = self.config.filename
        return {
            "name": self.name,
            "config": Path(filename).name if filename else None,
            "checkpoint": self.checkpoint.name,
            "sha256": self.sha256 or digest_of_file(self.checkpoint),
        }


@contextmanager
def _confined() -> Iterator[None]:
    with registries_alone(), within_budget():
        yield


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts that a model is built from."""

    files: ModelFiles
    config: Config
    checkpoint: Checkpoint
    task: str | None  # if something other than the config states it
    notices: tuple[str | None, ...] = ()  # besides those of the plugins that the config names
    licence: Licence | None = None

    @property
    def name(self) -> str:
        return self.files.name

    @property
    def is_published(self) -> bool:
        """Whether its config is a record, which anyone may have written."""
        return self.files.config is None


def open_model(spec: str | ModelFiles, *, device: str = "auto") -> LoadedModel:
    """Open the model of a name, a file, a work dir or ``CONFIG,CHECKPOINT``.

    A config is Python, and reading it runs it: open a work dir or a CONFIG only from people you
    trust. Weights are read without running anything in them, and a published file has no code.

    Args:
        spec: What `zoo.engine.prediction.model_files.find_model_files` takes, or what it found.
        device: ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` is CUDA if available, else the CPU.

    Raises:
        UnknownNameError: No weights and no config have that name.
        DownloadError: Weights cannot be downloaded, or do not match their digest.
        CheckpointError: The weights cannot be read, or do not fit the config.
        ConfigError: The config cannot be built, is of no task that zoo predicts, or the device
            does not exist.
    """
    files = spec if isinstance(spec, ModelFiles) else find_model_files(spec)
    if files.runner is not None:
        return _open_export(files, files.runner, device)
    parts = _read_parts(files)
    place = choose_device(device)
    task = parts.task or family_of(parts.config) or "semantic"
    classes, palette = _classes(parts, task)
    confined = registries_alone() if parts.is_published else nullcontext()
    scope = parts.config.get("default_scope") or "mmengine"
    with light_imports(parts.config.model, scope), confined:
        module = _build(parts, len(classes), task).to(place).eval()
    if place.type == "cpu":  # on a GPU it helps with mixed precision only
        put_channels_last(module)
    return LoadedModel(
        name=parts.name,
        module=module,
        config=parts.config,
        task=task,
        classes=classes,
        palette=palette,
        checkpoint=parts.checkpoint.path,
        is_published=parts.is_published,
        notice=join_notices([*parts.notices, *notices_of_config(parts.config._cfg_dict)]),
        sha256=files.sha256,
        licence=parts.licence,
    )


def _open_export(files: ModelFiles, runner: Found, device: str) -> LoadedModel:
    from mmengine.config import Config

    path = files.checkpoint
    check_export_device(device, path)
    export = open_exported(runner, path)
    record = export.record
    tiling = record.get("tiling")
    terms = record.get("licence")
    return LoadedModel(
        name=str(record["name"]),
        module=None,
        config=Config({"postprocess": record.get("postprocess"), "tiling": tiling}),
        task=record["task"],
        classes=tuple(record["classes"]),
        palette=tuple((red, green, blue) for red, green, blue in record["palette"]),
        checkpoint=path,
        notice=record.get("notice"),
        licence=terms and Licence(terms["weights"], terms["data"], terms.get("non_commercial")),
        export=export,
    )


def choose_device(name: object) -> Device:
    """Return the device of a name; ``auto`` is CUDA if available, else the CPU.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:1``, ``auto``, or a `torch.device`.

    Raises:
        ConfigError: This machine has no such device.
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


def _read_parts(files: ModelFiles) -> _Parts:
    if files.config is None:
        return _read_published(files)
    # Report an unreadable checkpoint before its config runs.
    checkpoint = load_checkpoint(files.checkpoint)
    config = read_config(files.config, pretrained="none")
    return _Parts(files, config, checkpoint, files.task, (files.notice,), files.licence)


def _read_published(files: ModelFiles) -> _Parts:
    from mmengine.config import Config

    from zoo.engine.checkpoints.published import read_published

    record, state_dict = read_published(files.checkpoint)
    meta = {"dataset_meta": {"classes": list(record.classes), "palette": record.palette}}
    checkpoint = Checkpoint(files.checkpoint, state_dict, meta)
    config = Config(record.config)
    notices = (record.notice, files.notice)
    # The row of adopted weights may know better than an old record.
    own = Licence(record.licence, record.data_licence, record.non_commercial)
    return _Parts(files, config, checkpoint, record.task, notices, files.licence or own)


def _classes(parts: _Parts, task: str) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Return the class names and colours that the weights were trained with."""
    dataset, where = find_test_dataset(parts.config), parts.checkpoint.path
    trained = parts.checkpoint.classes
    stated = _stated_classes(parts, dict(dataset)) if dataset else None
    if parts.files.is_upstream and trained:
        stated = None
    check_classes(trained, stated, None, where=where)
    classes = trained or stated
    if not classes:
        message = f"cannot predict with {parts.name!r}: neither weights nor config name classes."
        hint = "add metainfo=dict(classes=[...]) to the test dataset of the config."
        raise ConfigError(message, where=where, hint=hint)
    if task == "semantic" and len(classes) > MAX_CLASSES:
        message = f"cannot predict {len(classes)} classes: labels are 8-bit, {MAX_CLASSES} fit."
        raise ConfigError(message, where=where)
    stated_colors = as_colors((dataset.get("metainfo") or {}).get("palette"), classes)
    return classes, parts.checkpoint.palette or stated_colors or default_palette(classes)


def _stated_classes(parts: _Parts, dataset: dict[str, Any]) -> tuple[str, ...] | None:
    """Return the classes of the config's data set; its plugin is needed only if nothing else is."""
    try:
        return dataset_classes(parts.config, dataset)
    except (PluginError, UnknownNameError):
        if parts.checkpoint.classes:
            return None
        raise


def _build_untrained(parts: _Parts) -> nn.Module:
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(parts.config.get("default_scope", "mmseg"))
    if not parts.is_published:  # a record's types are on the list; this would import them
        # Data sets, losses of training and hooks may be of plugins that are not installed.
        check_type_names(parts.config, part="model")
    where = parts.checkpoint.path
    held = parts.checkpoint.state_dict if parts.is_published else None
    with explaining(parts.config, where), without_advice(), no_larger_than(held, where):
        try:
            module: nn.Module = MODELS.build(parts.config.model)
        except _BUILD_FAILURES as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            message = f"cannot build the model {parts.name!r}: {reason[:200]}."
            hint = "correct its config; --debug shows where it fails."
            raise ConfigError(message, where=where, hint=hint) from error
    return module


def _build(parts: _Parts, classes: int, task: str) -> nn.Module:
    where = parts.checkpoint.path
    module = _build_untrained(parts)
    for counted in _counted_classes(parts, module, task):
        if counted != classes:
            message = f"cannot predict with {parts.name!r}: the model separates {counted} "
            message += f"classes, the weights name {classes}."
            raise CheckpointError(message, path=where, hint="use the config it was trained with.")
    check_fits(module, parts.checkpoint.state_dict, where)
    module.load_state_dict(parts.checkpoint.state_dict, strict=False)
    return module


def _counted_classes(parts: _Parts, module: nn.Module, task: str) -> list[int]:
    """Return the number of classes of each head that states it."""
    if task == "semantic":
        head: Any = getattr(module, "decode_head", None)
        channels = getattr(head, "out_channels", 1)
        # mmseg represents two classes by one channel and a threshold.
        return [] if channels == 1 else [channels]
    if not COUNT_OTHERWISE.isdisjoint(parts.config.model):
        return []
    return [head["num_classes"] for _, head in iterate_heads(parts.config.model)]
