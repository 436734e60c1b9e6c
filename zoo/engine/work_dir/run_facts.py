# SPDX-License-Identifier: Apache-2.0
"""Collect what a run left behind, for publishing."""

from __future__ import annotations

import os
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
from zoo.engine.provenance.config_digest import COMMAND, DATA, digest_of_config
from zoo.engine.provenance.public_texts import public_option, public_values, without_secrets
from zoo.engine.provenance.run_file import Provenance, read_provenance
from zoo.engine.work_dir.dumped_config import find_dumped_config
from zoo.errors import CheckpointError, ConfigError, DataError
from zoo.texts import counted

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["RunFacts", "find_run", "note_command"]

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
        made_by: What its ``run.json`` says, or None without that file.
    """

    config: Config
    config_name: str
    checkpoint: Path
    work_dir: Path
    data: Mapping[str, Any]
    data_root: Path | None = None
    history: tuple[DataUse, ...] = ()
    origins: tuple[Origin, ...] = ()
    made_by: Provenance | None = None

    @property
    def earlier(self) -> tuple[DataUse, ...]:
        """What its weights were trained on before its own data."""
        if not self.history:
            return ()
        *before, last = self.history
        own = last.digest or last.name
        return tuple(use for use in before if (use.digest or use.name) != own)

    def seen_before(self, splits: Collection[str], *, with_own: bool = False) -> frozenset[str]:
        """Return what it has seen in splits of earlier data, in the form of `short`.

        Args:
            splits: Any of ``train``, ``val`` and ``test``.
            with_own: Whether to count its own data, and images of it that changed in between.
        """
        uses = self.history if with_own else self.earlier
        return frozenset(
            image for use in uses for split in splits for image in use.images.get(split, ())
        )

    def provenance(self) -> dict[str, Any]:
        """Return plain facts for the record: config digest, command, data, versions."""
        uses = dict.fromkeys((use.name, use.digest) for use in self.earlier)  # twice if changed
        earlier = [{"name": name, "digest": digest} for name, digest in uses]
        plain = shlex.join(["zoo", "train", self.config_name, "--data", "DIR"])
        return {
            "config_sha256": digest_of_config(self.config),
            "command": without_secrets(str(self.config.get(COMMAND) or plain)),
            "data": public_values(dict(self.data), places=True),
            **({"earlier_data": earlier} if earlier else {}),
            **({"started_from": [asdict(one) for one in self.origins]} if self.origins else {}),
            **(_session_facts(self.made_by) if self.made_by is not None else {}),
            "versions": dict(_versions(self.made_by)),
        }


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
    words += ["--cfg-options", *map(public_option, cfg_options)] if cfg_options else []
    config[COMMAND] = shlex.join(words)
    loader = config.get("train_dataloader")
    digest = facts_of_loader(loader).get("digest") if loader else None
    if digest is not None:
        config[DATA] = digest


def _shown(pretrained: str) -> str:
    return read_url(pretrained).shown if is_url(pretrained) else Path(pretrained).name


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
    noted = history[-1].digest if history else resolved.get(DATA)
    _check_digest(spec, noted, facts, data or _root_of(loader))
    made_by = read_provenance(folder)
    origins = read_origins(meta)
    return RunFacts(resolved, name, checkpoint, folder, facts, root, history, origins, made_by)


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


def _session_facts(made_by: Provenance) -> dict[str, Any]:
    """Return what a record keeps of ``run.json``: machine, commit, duration."""
    latest = made_by.latest
    gpus, cores = latest.hardware.get("gpus"), latest.hardware.get("cores")
    cpu = f"{latest.hardware.get('cpu')}, {counted(cores, 'core')}" if cores else None
    facts: dict[str, Any] = {"machine": ", ".join(map(str, gpus)) if gpus else cpu}
    if latest.repository is not None:
        changed = " with changes that are not committed" if latest.repository.is_dirty else ""
        facts["commit"] = f"{latest.repository.commit}{changed}"
        facts["repository"] = latest.repository.remote
    if latest.seconds is not None:
        facts["seconds"] = round(made_by.seconds)
    return {key: value for key, value in facts.items() if value is not None}


def _versions(made_by: Provenance | None) -> list[tuple[str, str]]:
    """Return the versions that the run was made with; without its ``run.json``, those of today."""
    if made_by is not None:
        packages = made_by.latest.packages
        return [(name, packages[name]) for name in _VERSIONS if name in packages]
    found = []
    for name in _VERSIONS:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:  # mmcv or mmcv-lite, a fork under another name
            continue
    return found
