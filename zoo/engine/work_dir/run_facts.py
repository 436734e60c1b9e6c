# SPDX-License-Identifier: Apache-2.0
"""Collect what a run left behind, for publishing."""

from __future__ import annotations

import copy
import hashlib
import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.checkpoints.kept import choose_checkpoint
from zoo.engine.config.pretrained_url import is_url, read_url
from zoo.engine.config.reading import read_config
from zoo.engine.config_parts.parts import iterate_leaves
from zoo.engine.dataset.facts import facts_of_folder, facts_of_loader
from zoo.engine.dataset.history import DataUse, read_history
from zoo.engine.dataset.origins import Origin, read_origins
from zoo.engine.work_dir.dumped_config import find_dumped_config
from zoo.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["RunFacts", "find_run", "note_command", "without_places"]

# In a run's config, which mmengine writes into the work dir.
_COMMAND, _DATA = "zoo_command", "zoo_data_digest"
_URL = r"(?:https?|ftp|s3|file)://[^\s,'\"\])]+"
_WHOLE_PATH = r"(?<![^=\[(,'\"\s])~?/[^\s,'\"\])]+"
_PLACE = re.compile(f"{_URL}|{_WHOLE_PATH}")
_VERSIONS = ("torch", "mmengine", "mmcv-lite", "mmcv", "mmsegmentation", "mmdet")


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, ready to be published.

    Attributes:
        config: The resolved config, as trained.
        config_name: Its name.
        checkpoint: Its best checkpoint, or the named one.
        work_dir: Its folder.
        data: Facts of its training data, as `facts_of_folder` returns them.
        data_root: The prepared folder from which these were read, or None.
        history: All data that its weights were trained on, oldest first; empty if the checkpoint
            does not state it.
        origins: The published weights that it started from, the oldest first.
    """

    config: Config
    config_name: str
    checkpoint: Path
    work_dir: Path
    data: Mapping[str, Any]
    data_root: Path | None = None
    history: tuple[DataUse, ...] = ()
    origins: tuple[Origin, ...] = ()

    @property
    def earlier(self) -> tuple[DataUse, ...]:
        """What its weights were trained on before its own data."""
        if not self.history:
            return ()
        *before, last = self.history
        own = last.digest or last.name
        return tuple(use for use in before if (use.digest or use.name) != own)

    def seen_before(self, splits: Collection[str]) -> frozenset[str]:
        """Return what it has seen in splits of earlier data, in the form of `short`.

        Args:
            splits: Any of ``train``, ``val`` and ``test``.
        """
        return frozenset(
            image for use in self.earlier for split in splits for image in use.images.get(split, ())
        )

    def provenance(self) -> dict[str, Any]:
        """Return plain facts for the record: config digest, command, data, versions."""
        earlier = [{"name": use.name, "digest": use.digest} for use in self.earlier]
        plain = shlex.join(["zoo", "train", self.config_name, "--data", "DIR"])
        return {
            "config_sha256": self._config_digest(),
            "command": str(self.config.get(_COMMAND) or plain),
            "data": dict(self.data),
            **({"earlier_data": earlier} if earlier else {}),
            **({"started_from": [asdict(one) for one in self.origins]} if self.origins else {}),
            "versions": dict(_versions()),
        }

    def _config_digest(self) -> str:
        """Hash the config without the paths where it ran, which differ between machines."""
        config = copy.deepcopy(self.config)
        for key in (_COMMAND, _DATA, "work_dir", "load_from", "resume", "launcher"):
            config.pop(key, None)
        roots = sorted(_data_roots(config), key=len, reverse=True)
        # Before formatting as text, whose line breaks depend on the length of the values.
        text = type(config)(_placeless(config.to_dict(), roots)).pretty_text
        return hashlib.sha256(text.encode()).hexdigest()


def note_command(
    config: Config,
    name: str,
    *,
    cfg_options: Sequence[str] = (),
    pretrained: str | None = None,
    has_data: bool = False,
    amp: bool = False,
    run_words: Sequence[str] = (),
) -> None:
    """Write into a config the command that trains it and the digest of its data, for the run.

    Folders are left out, because they differ elsewhere; so are passwords and tokens.

    Args:
        config: As `zoo.engine.config.reading.read_config` returns it.
        name: The CONFIG argument.
        cfg_options: ``key=value`` as given; only the last part of full paths and URLs is kept.
        pretrained: ``none``; a path, of which the last part is kept; or a URL with its digest,
            which is kept without passwords and tokens.
        has_data: Whether ``--data`` was given.
        amp: Whether ``--amp`` was given.
        run_words: The given options for length, batch size and learning rate.
    """
    words = ["zoo", "train", Path(name).name if Path(name).is_file() else name]
    words += ["--data", "DIR"] if has_data else []
    words += ["--pretrained", _shown(pretrained)] if pretrained else []
    words += run_words
    words += ["--amp"] if amp else []
    words += ["--cfg-options", *map(without_places, cfg_options)] if cfg_options else []
    config[_COMMAND] = shlex.join(words)
    loader = config.get("train_dataloader")
    digest = facts_of_loader(loader).get("digest") if loader else None
    if digest is not None:
        config[_DATA] = digest


def _shown(pretrained: str) -> str:
    return read_url(pretrained).shown if is_url(pretrained) else Path(pretrained).name


def without_places(option: str) -> str:
    """Return a ``key=value`` in which full paths and URLs are cut to their last part.

    Args:
        option: One ``--cfg-options`` of a command.
    """
    return _PLACE.sub(lambda found: _last_part(found[0]), option)


def _last_part(place: str) -> str:
    plain = re.split("[?#]", place)[0] if "://" in place else place
    return Path(re.sub("//[^/]*@", "//", plain)).name


def _placeless(value: Any, roots: Sequence[str]) -> Any:
    """Return a config's value with ``DIR`` for data folders, and other full paths cut."""
    if isinstance(value, dict):
        return {key: _placeless(part, roots) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_placeless(part, roots) for part in value)
    if not isinstance(value, str):
        return value
    for root in roots:
        if f"{value}/".startswith(f"{root.rstrip('/')}/"):
            return f"DIR{value[len(root.rstrip('/')) :]}".rstrip("/")
    return Path(value).name if Path(value).is_absolute() else value


def _data_roots(config: Config) -> set[str]:
    parts = ("train", "val", "test", "val_loss")
    loaders = [config.get(f"{part}_dataloader") for part in parts]
    leaves = [
        leaf
        for loader in loaders
        if loader and loader.get("dataset")
        for _, leaf in iterate_leaves(loader["dataset"], "")
    ]
    return {str(leaf["data_root"]) for leaf in leaves if leaf.get("data_root")}


def find_run(spec: Path, *, config: str | None = None, data: Path | None = None) -> RunFacts:
    """Return the run of a work dir, or of a checkpoint in one.

    Args:
        spec: A work dir, for its best checkpoint, else the last; or a checkpoint.
        config: The config, if the checkpoint's folder has none; a path or a name.
        data: The prepared folder that it was trained on, if the path in the config is gone.

    Raises:
        CheckpointError: The run has no checkpoint.
        ConfigError: No config is beside it, or its data does not exist.
        DataError: The folder is damaged, or not the one that it was trained on.
    """
    folder, checkpoint = spec.parent, spec if os.path.isfile(spec) else None
    found = "no such file or folder"
    if os.path.isdir(spec):
        folder, checkpoint = spec, choose_checkpoint(spec, prefer="best")
        found = "a work dir without a checkpoint"
    if checkpoint is None:
        message = f"cannot publish {str(spec)!r}: found {found}."
        hint = "train first, or give a checkpoint that training wrote."
        raise CheckpointError(message, path=spec, hint=hint)
    source = config or find_dumped_config(folder)
    resolved = read_config(source, data=data, pretrained="none")
    loaders = [resolved.get(f"{split}_dataloader") for split in ("train", "test", "val")]
    loader = next((found for found in loaders if found), None)
    if not loader:
        message = f"cannot publish {str(spec)!r}: its config names no data."
        raise ConfigError(message, where=source, hint="give the config that it was trained with.")
    facts = facts_of_folder(data) if data is not None else facts_of_loader(loader)
    name = Path(resolved.filename or str(source)).stem
    root = (data or _root_of(loader)) if "splits" in facts else None
    meta = load_checkpoint(checkpoint).meta
    history = read_history(meta)
    # The checkpoint is more reliable than the config, which the folder's last run wrote.
    noted = history[-1].digest if history else resolved.get(_DATA)
    _check_digest(spec, noted, facts, data or _root_of(loader))
    return RunFacts(resolved, name, checkpoint, folder, facts, root, history, read_origins(meta))


def _check_digest(spec: Path, noted: str | None, facts: Mapping[str, Any], root: Path) -> None:
    """Refuse data that is not what the run recorded: it would get a wrong name."""
    if noted is None or noted == facts.get("digest"):
        return
    found = f"another one ({facts['digest'][:12]})" if "digest" in facts else "none"
    message = f"cannot publish {str(spec)!r}: it was trained on the prepared folder of digest "
    message += f"{noted[:12]}, found {found} instead."
    raise DataError(message, path=root, hint="give the folder that it was trained on with --data.")


def _root_of(loader: Mapping[str, Any]) -> Path:
    _, leaf = next(iterate_leaves(loader["dataset"], ""))
    return Path(leaf.get("data_root") or "")


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _VERSIONS:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # mmcv or mmcv-lite, a fork under another name
            continue
    return found
