# SPDX-License-Identifier: Apache-2.0
"""The name, split and licence of a run's data: facts that are read from files, never typed in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.parts import iterate_leaves

if TYPE_CHECKING:
    from zoo.data import Prepared, PreparedFile
    from zoo.manifest.rows import DatasetRow

__all__ = [
    "contents_of_splits",
    "evaluator_text",
    "facts_of_folder",
    "facts_of_images",
    "facts_of_loader",
    "has_derived_labels",
    "labels_of",
    "licence_of",
]


def facts_of_loader(loader: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of the data that a loader of a config reads.

    Args:
        loader: Such as ``config.test_dataloader``.

    Returns:
        As `facts_of_folder` if the data is in a prepared folder; else only ``name``, the type of
        the data set.
    """
    _, leaf = next(iterate_leaves(loader["dataset"], ""))
    root = Path(leaf.get("data_root") or "")
    from zoo.data.layout.dataset_json import is_prepared

    if leaf.get("data_root") and is_prepared(root):
        return facts_of_folder(root)
    return {"name": str(leaf.get("type"))}


def labels_of(config: Mapping[str, Any], split: str) -> str:
    """Return the kind of labels of a config's data: ``true``, ``derived`` or ``synthetic``.

    Args:
        config: The whole config.
        split: ``train``, ``val`` or ``test``; a prepared folder's splits are all of one kind.
    """
    # A config without a test part is tested like it is validated.
    loader = config.get(f"{split}_dataloader") or config.get("val_dataloader")
    return "true" if loader is None else str(facts_of_loader(loader).get("labels", "true"))


def has_derived_labels(config: Mapping[str, Any], split: str) -> bool:
    """Return whether the labels of a config's data were made from something weaker, such as boxes.

    Args:
        config: The whole config.
        split: ``train``, ``val`` or ``test``.
    """
    return labels_of(config, split) == "derived"


def facts_of_folder(root: Path) -> dict[str, Any]:
    """Return the facts of a prepared folder as plain values.

    Args:
        root: A folder that ``zoo data prepare`` wrote.

    Returns:
        ``name`` (plugin, data set, the options that are not its defaults, and whether it is a
        sample), ``plugin``, ``dataset``, ``version``, ``labels``, ``options``, ``splits`` (count,
        groups and sha256 of each) and ``digest`` of the whole. Of a sample that a plugin drew,
        ``labels`` is ``synthetic``, and ``synthetic`` says who drew it, under which licence, and
        whether its labels were derived.

    Raises:
        DataError: It is not a prepared folder, or is damaged.
    """
    from zoo.data import read_prepared

    prepared = read_prepared(root)
    identity = prepared.dataset
    chosen = _chosen_options(prepared)
    name = ", ".join([f"{identity.plugin}.{identity.name}", *chosen])
    drawn = prepared.synthetic
    if drawn is not None:
        derived = ", derived labels" if prepared.labels == "derived" else ""
        name += f" (synthetic sample of {drawn.plugin} {drawn.version}{derived})"
    facts = {
        "name": name,
        "plugin": identity.plugin,
        "dataset": identity.name,
        "version": identity.version,
        "labels": prepared.labels if drawn is None else "synthetic",
        "options": dict(prepared.options),
        "splits": {
            key: {"count": len(split.stems), "groups": split.groups, "digest": split.digest}
            for key, split in prepared.splits.items()
        },
        "digest": prepared.digest,
    }
    if drawn is not None:
        facts["synthetic"] = {**drawn.to_dict(), "labels": prepared.labels}
    return facts


def facts_of_images(files: Collection[str], root: str | Path = "") -> dict[str, Any]:
    """Return which images were measured, to check later whether they are a whole split.

    Args:
        files: Their paths.
        root: The folder of the data set, if it has one.

    Returns:
        ``count``; ``digest``, the sha256 of the list of their stems as that of a split is; and,
        of a prepared folder, ``contents``: stem -> sha256 of the image and of what it was made
        from.
    """
    from zoo.data import digest_of
    from zoo.data.layout.dataset_json import is_prepared, read_prepared

    stems = {Path(file).stem for file in files}
    facts: dict[str, Any] = {"count": len(files), "digest": digest_of(stems)}
    if root and is_prepared(Path(root)):
        rows = [row for row in read_prepared(Path(root)).files if row.stem in stems]
        facts["contents"] = {row.stem: _contents(row) for row in rows}
    return facts


def contents_of_splits(root: Path, splits: Collection[str]) -> frozenset[str]:
    """Return the sha256 of every image of some splits of a prepared folder, and of its source.

    Args:
        root: A folder that ``zoo data prepare`` wrote.
        splits: Any of ``train``, ``val`` and ``test``.

    Raises:
        DataError: It is not a prepared folder, or is damaged.
    """
    from zoo.data import read_prepared

    rows = [row for row in read_prepared(root).files if row.split in splits]
    return frozenset(digest for row in rows for digest in _contents(row))


def _contents(row: PreparedFile) -> list[str]:
    # Windows that show nothing, such as blank ones, may be equal without being the same place.
    is_blank = getattr(row, "instances", None) == 0
    return [row.source_sha256] if is_blank else [row.image_sha256, row.source_sha256]


def licence_of(facts: Mapping[str, Any]) -> str | None:
    """Return the licence that the data set's row states, or None where there is no such row.

    What a plugin drew is under the plugin's own.

    Args:
        facts: As `facts_of_folder` or `facts_of_loader` returns them.
    """
    drawn = facts.get("synthetic")
    if drawn is not None:
        return f"{drawn['licence']}: synthetic, drawn by the plugin {drawn['plugin']}"
    row = _row(str(facts.get("plugin")), str(facts.get("dataset")))
    return None if row is None else row.licence


_PLAIN_EVALUATORS = ("Evaluator", "mmengine.Evaluator")


def evaluator_text(evaluator: Any) -> str:
    """Return the types of a config's evaluator, joined, as a protocol names them.

    mmengine's own evaluator only passes values on, so it is not named; another one is, with its
    metrics in parentheses.

    Args:
        evaluator: A config's ``val_evaluator`` or ``test_evaluator``: one metric, a list, or an
            evaluator.
    """
    parts: Sequence[Any] = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    if len(parts) == 1 and isinstance(parts[0], Mapping) and "metrics" in parts[0]:
        inner, own = evaluator_text(parts[0]["metrics"]), parts[0].get("type", "Evaluator")
        return inner if own in _PLAIN_EVALUATORS else f"{own}({inner})"
    return ", ".join(str(part.get("type")) for part in parts if isinstance(part, Mapping))


def _chosen_options(prepared: Prepared) -> list[str]:
    row = _row(prepared.dataset.plugin, prepared.dataset.name)
    defaults = {} if row is None else {o.name.replace("-", "_"): o.default for o in row.options}
    return [
        f"{key}={value}"
        for key, value in sorted(prepared.options.items())
        if key in defaults and value not in (None, "", defaults[key])
    ]


def _row(plugin: str, dataset: str) -> DatasetRow | None:
    from zoo.catalog import read_catalog
    from zoo.errors import ZooError
    from zoo.manifest.rows import DatasetRow

    try:
        row = read_catalog().find("dataset", f"{plugin}.{dataset}").row
    except ZooError:  # the plugin that prepared it is not here, or broken
        return None
    return row if isinstance(row, DatasetRow) else None
