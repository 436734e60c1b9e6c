# SPDX-License-Identifier: Apache-2.0
"""Turn a run's checkpoint into a published file and the manifest row that offers it."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from zoo.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint
from zoo.engine.checkpoints.fit import check_fits
from zoo.engine.checkpoints.published import read_published, write_published
from zoo.engine.config.building import without_advice
from zoo.engine.prediction.notices import join_notices, notices_of_config
from zoo.engine.publishing.card import card_text
from zoo.engine.publishing.row import METRIC_KEYS, Published
from zoo.engine.records.confining import registries_alone
from zoo.engine.records.record import make_record
from zoo.errors import CheckpointError, ManifestError
from zoo.files import digest_of_file, replace_file
from zoo.manifest.table import Table
from zoo.manifest.weights_reading import read_weights
from zoo.texts import printable
from zoo.version import __version__

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["ModelCard", "publish"]

_COMMIT = re.compile(r"(?<=\d)[0-9a-f]{40}$")
_SECRET = re.compile(
    r"token|secret|passw|signature|credential|auth|(api|access)[-_]?key|(^|[-_])(sig|key|pwd|pw)$",
    re.IGNORECASE,
)
_KEPT_META = ("epoch", "iter", "seed", "mmengine_version")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a publisher states about the weights, because a checkpoint does not contain it.

    Attributes:
        name: Name of the weights.
        config_name: Name of the config with which they were trained.
        task: ``semantic`` or ``instance``.
        licence: Licence of the weights.
        data_licence: Licence of the data they were trained on.
        labels: ``true``, ``derived`` if masks were made from something else, or ``synthetic``
            if a plugin drew pictures and labels.
        metrics: Rows of name, value, dataset, split, labels, protocol.
        provenance: Further plain facts, such as the digests of the splits.
        urls: Where the file will be; by default in the package that has the row.
        non_commercial: Whether the licence forbids commercial use; None if nobody says.
    """

    name: str
    config_name: str
    licence: str
    data_licence: str
    metrics: Sequence[Mapping[str, Any]]
    task: str = "semantic"
    labels: str = "true"
    provenance: Mapping[str, Any] | None = None
    urls: Sequence[str] = ()
    non_commercial: bool | None = None


def publish(config: Config, checkpoint: str | Path, out: str | Path, card: ModelCard) -> Published:
    """Write ``OUT/NAME.safetensors``, its card ``NAME.md`` and its row ``NAME.toml``.

    The model is built from the written record and compared with the weights, so that the published
    file can be opened. Equal input gives equal files.

    Args:
        config: The resolved training config.
        checkpoint: A training checkpoint; its classes and colours go into the record.
        out: Folder for the file.
        card: What the publisher states.

    Raises:
        CheckpointError: The checkpoint names no classes, does not fit, or cannot be read; or a
            manifest would refuse the row.
    """
    urls = tuple(card.urls) or (f"package:weights/{card.name}.safetensors",)
    _check_row(card, urls)
    weights = load_checkpoint(checkpoint)
    if weights.classes is None:
        msg = f"cannot publish {weights.path.name!r}: it does not state its classes."
        hint = "publish a checkpoint that training wrote on prepared data."
        raise CheckpointError(msg, path=weights.path, hint=hint)
    record = make_record(
        config,
        name=card.name,
        task=card.task,
        classes=weights.classes,
        palette=_palette(weights, weights.classes),
        labels=card.labels,
        licence=card.licence,
        data_licence=card.data_licence,
        trained_with=card.config_name,
        parameters=_count_parameters(config, weights),
        metrics=card.metrics,
        provenance={**_provenance(weights), **(card.provenance or {})},
        notice=join_notices(notices_of_config(config._cfg_dict)),
        non_commercial=card.non_commercial,
    )
    path = write_published(Path(out) / f"{card.name}.safetensors", weights.state_dict, record)
    written, state_dict = read_published(path)
    with registries_alone():  # like everyone who opens the file
        check_fits(_build(written.config["model"], written.scope), state_dict, path)
    published = Published(path, digest_of_file(path), path.stat().st_size, written, urls)
    replace_file(path.with_suffix(".md"), card_text(published).encode())
    replace_file(path.with_suffix(".toml"), published.manifest_row().encode())
    return published


def _check_row(card: ModelCard, urls: Sequence[str]) -> None:
    """Refuse URLs with a password and what a manifest would refuse, before anything is written."""
    for url in urls:
        _check_public(url)
    values = {
        "name": card.name,
        "task": card.task,
        "config": card.config_name,
        "urls": list(urls),
        "format": "safetensors",
        "licence": card.licence,
        "data_licence": card.data_licence,
        "metrics": [{key: row[key] for key in METRIC_KEYS if key in row} for row in card.metrics],
        # Not known yet, and valid by themselves.
        "sha256": "0" * 64,
        "size_bytes": 1,
        "parameters": 1,
    }
    table = Table(values, label="[[weights]]", path=Path(f"{card.name}.toml"), plugin=card.name)
    try:
        read_weights(table)
    except ManifestError as error:
        found = error.message.partition(": ")[2]
        msg = f"cannot publish {card.name!r}: {found}"
        raise CheckpointError(msg, hint=error.hint) from error


def _check_public(url: str) -> None:
    try:
        parts = urlsplit(url)
        known = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    except ValueError as error:
        msg = f"cannot publish the address {url!r}: {error}."
        raise CheckpointError(msg, hint="give an https address.") from error
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    held = next((repr(name) for name in known if _SECRET.search(name)), None)
    if "@" in parts.netloc:
        held = "a user's name or password"
    if held is not None:
        msg = f"cannot publish the address {shown}: it holds {held}, which everybody could read."
        raise CheckpointError(msg, hint="give a public address without it.")


def _palette(weights: Checkpoint, classes: Sequence[str]) -> Sequence[Sequence[int]]:
    """Return the checkpoint's colours; those of zoo, if it has none for each class."""
    from zoo.engine.overlays.palette import default_palette

    return weights.palette or list(default_palette(tuple(classes)))


def _provenance(weights: Checkpoint) -> dict[str, Any]:
    known = {key: weights.meta.get(key) for key in _KEPT_META}
    kept = {
        key: printable(value) if isinstance(value, str) else value
        for key, value in known.items()
        if isinstance(value, (int, str))
    }
    if "mmengine_version" in kept:
        # mmengine appends the commit of whatever repository it was started in.
        kept["mmengine_version"] = _COMMIT.sub("", str(kept["mmengine_version"]))
    digest = digest_of_file(weights.path)
    return {**kept, "checkpoint_sha256": digest, "zoo_version": __version__}


def _count_parameters(config: Config, weights: Checkpoint) -> int:
    model = _build(config.model, str(config.get("default_scope") or "mmengine"))
    check_fits(model, weights.state_dict, weights.path)
    return sum(parameter.numel() for parameter in model.parameters())


def _build(model: Any, scope: str) -> Any:
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(scope)
    # A copy: detectors write into their config as they are built.
    with without_advice():
        return MODELS.build(copy.deepcopy(ConfigDict(model)))
