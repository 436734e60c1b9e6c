# SPDX-License-Identifier: Apache-2.0
"""Find the files of a model from what a user calls it; they are found once and hashed once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import SOURCE, Found
from zoo.engine.checkpoints.kept import choose_checkpoint
from zoo.engine.config_files.files import PREFIX
from zoo.engine.prediction.exports import find_runner
from zoo.engine.work_dir.dumped_config import find_dumped_config
from zoo.errors import CheckpointError
from zoo.files import expand_home

__all__ = [
    "Licence",
    "ModelFiles",
    "find_model_files",
    "find_weights_model",
    "is_weights_name",
]

_PAIR = "CONFIG,CHECKPOINT"
_FORMS = (
    "a weights name, a published .safetensors, an exported .onnx, a work dir, or CONFIG,CHECKPOINT"
)


@dataclass(frozen=True, slots=True)
class Licence:
    """The terms of a model.

    Attributes:
        weights: Licence of the weights, an SPDX expression or a text.
        data: Licence of the data that they were trained on.
        non_commercial: Whether that of the weights forbids commercial use; None if nobody says.
    """

    weights: str
    data: str
    non_commercial: bool | None = None

    def __str__(self) -> str:
        """Return the terms in one line."""
        terms = ", which forbids commercial use" if self.non_commercial else ""
        return f"{self.weights}{terms}; data: {self.data}"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files that a model is built from.

    Attributes:
        name: The name of its weights, its work dir or its checkpoint.
        checkpoint: The file of its weights.
        config: The file or the name of its config; None if the weights' file has a record.
        sha256: Digest of ``checkpoint``, if it was verified; None if nothing states it.
        task: ``semantic`` or ``instance``, if something other than the config states it.
        is_upstream: Whether it is an OpenMMLab checkpoint, whose data set may name its classes
            differently today.
        trained_with: The name of the config that its row states; ``zoo::NAME`` if the row is of a
            source, whose index must not name a file of this machine.
        notice: What everyone who sees a result should read, by the plugin that offers it.
        licence: The terms that its row states, or None.
        runner: The row of the plugin that opens ``checkpoint``, if that is an exported file.
    """

    name: str
    checkpoint: Path
    config: str | Path | None = None
    sha256: str | None = None
    task: str | None = None
    is_upstream: bool = False
    trained_with: str | None = None
    notice: str | None = None
    licence: Licence | None = None
    runner: Found | None = None


def find_model_files(
    spec: str, *, progress: Callable[[int, int], None] | None = None
) -> ModelFiles:
    """Find the files of a model; weights given by name are downloaded if necessary, and verified.

    A work dir means the config that the run wrote there and the best checkpoint (``best_*.pth``,
    the one of the latest step), else the last one; corrupted ones are skipped. Files are only
    hashed, and no config runs.

    Args:
        spec: A weights name, a published ``.safetensors``, a file that an exporter wrote, a work
            dir, or ``CONFIG,CHECKPOINT``.
        progress: Called with the bytes present and the size of the whole file.

    Raises:
        UnknownNameError: No weights have that name; near names are offered.
        HashMismatchError: The file of the weights is damaged.
        DownloadError: They cannot be downloaded.
        ManifestError: The row of the weights contradicts their file.
        CheckpointError: The file or folder does not exist, or is not a model.
    """
    path = expand_home(spec)
    if os.path.isdir(path):
        return _in_work_dir(path)
    if os.path.isfile(path):
        return _of_file(path)
    if "," in spec:
        return _of_pair(*_split_pair(spec))
    if not is_weights_name(spec):
        message = f"cannot open the model {spec!r}: there is no such file or folder."
        raise CheckpointError(message, path=path, hint=f"give {_FORMS}{_of_source(spec)}.")
    return find_weights_model(spec, progress=progress)


def _of_source(spec: str) -> str:
    """Return what to do if a path that does not exist was meant as the name of a source's row."""
    from zoo.weights.sources.lookup import looks_scoped

    scope = spec.partition("/")[0]
    return f"; SOURCE/NAME needs zoo source add, and {scope!r} is no source" * looks_scoped(spec)


def is_weights_name(spec: str) -> bool:
    """Return whether a model is given by a weights name, rather than by a file or a folder.

    Args:
        spec: What a user calls a model.

    Raises:
        SourceError: It may be the row of a source, and the sources cannot be read.
    """
    from zoo.weights.sources.lookup import is_scoped

    path = expand_home(spec)
    if not os.path.exists(path) and is_scoped(spec):
        return True
    is_path = (
        path.suffix in {".pth", ".pt", ".safetensors", ".onnx", ".py"} or "/" in spec or "," in spec
    )
    return not (is_path or os.path.isdir(path) or os.path.isfile(path))


def _split_pair(spec: str) -> tuple[str, Path]:
    """Return config and checkpoint: at the comma between two that are there, else at the last.

    Folders' names may hold commas; a config need not be a path.
    """
    words = spec.split(",")
    pairs = [
        (",".join(words[:count]).strip(), ",".join(words[count:]).strip())
        for count in range(1, len(words))
    ]
    config, checkpoint = max(
        reversed(pairs), key=lambda pair: sum(os.path.isfile(expand_home(each)) for each in pair)
    )
    return config, Path(checkpoint)


def _of_pair(config: str, checkpoint: Path) -> ModelFiles:
    if Path(config).suffix in {".pth", ".pt", ".safetensors"} and checkpoint.suffix == ".py":
        pair = f"{config},{checkpoint}"
        message = f"cannot open the model {pair!r}: found the checkpoint first, expected {_PAIR}."
        raise CheckpointError(message, path=config, hint=f"give {checkpoint},{config}.")
    return ModelFiles(checkpoint.stem, checkpoint, config)


def _in_work_dir(folder: Path) -> ModelFiles:
    found = choose_checkpoint(folder, prefer="best")
    if found is None:
        message = f"cannot open the work dir {str(folder)!r}: found no checkpoint in it."
        hint = "train first, or give CONFIG,CHECKPOINT."
        raise CheckpointError(message, path=folder, hint=hint)
    return ModelFiles(folder.resolve().name, found, find_dumped_config(folder))


def _of_file(path: Path) -> ModelFiles:
    if path.suffix == ".safetensors":
        return ModelFiles(path.stem, path)
    runner = find_runner(path)
    if runner is not None:
        return ModelFiles(path.stem, path, runner=runner)
    is_weights = path.suffix in {".pth", ".pt"}
    message = f"cannot open the model {path.name!r}: "
    message += "a checkpoint alone has no config." if is_weights else f"expected {_FORMS}."
    hint = f"give CONFIG,{path}." if is_weights else f"give {path},CHECKPOINT if it is a config."
    raise CheckpointError(message, path=path, hint=hint)


def _config_to_measure(found: Found, config: str | None) -> str | None:
    return f"{PREFIX}{config}" if config and found.record.source == SOURCE else config or None


def find_weights_model(
    name: str, *, progress: Callable[[int, int], None] | None = None, offline: bool = False
) -> ModelFiles:
    """Find the files of a model by the name of its weights, whatever path has that name too.

    Args:
        name: A weights name.
        progress: Called with the bytes present and the size of the whole file.
        offline: Whether to avoid network access.

    Raises:
        UnknownNameError: No weights have that name; near names are offered.
        HashMismatchError: The file of the weights is damaged.
        DownloadError: They cannot be downloaded.
        ManifestError: The row of the weights contradicts their file.
        CheckpointError: They are a backbone, or their row names no config.
    """
    from zoo.engine.adoption.adopting import Way
    from zoo.engine.adoption.obtaining import obtain_weights
    from zoo.weights.row_check import find_record

    obtained = obtain_weights(name, Way(progress=progress, offline=offline))
    row, path = obtained.row, obtained.path
    if row.task == "backbone":
        message = f"cannot open the model {name!r}: it is a backbone, which predicts nothing."
        hint = f"train a model from it: zoo train CONFIG --pretrained {name}"
        raise CheckpointError(message, path=path, hint=hint)
    # What `zoo rescue` adopted is converted, without a record.
    is_upstream = not row.urls and find_record(path) is None
    has_record = path.suffix == ".safetensors" and not is_upstream
    if not has_record and not row.config:
        message = f"cannot open the model {name!r}: its index names no config."
        raise CheckpointError(message, path=path, hint=f"give CONFIG,{path}.")
    return ModelFiles(
        name=name,
        checkpoint=path,
        config=None if has_record else row.config,
        sha256=row.sha256,
        task=row.task,
        is_upstream=is_upstream,
        trained_with=_config_to_measure(obtained.found, row.config),
        notice=obtained.found.record.checked().notice,
        licence=Licence(row.licence, row.data_licence, row.non_commercial),
    )
