# SPDX-License-Identifier: Apache-2.0
"""Prepared files that have changed since: their folder's digest no longer says what a run sees."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.data.layout.check import find_changes
from zoo.data.layout.dataset_json import is_prepared
from zoo.engine.config_parts.parts import iterate_leaves
from zoo.errors import DataError
from zoo.texts import counted

__all__ = ["check_unchanged"]

_LOG = logging.getLogger("zoo")
_SPLITS = ("train", "val")
_MOST_SHOWN = 3
_LIMIT_S = 5.0  # for all folders


def check_unchanged(config: Mapping[str, Any], checkpoint: str | Path | None) -> int:
    """Return the number of a run's images and labels that changed after they were prepared.

    Those that are newer than their prepared folder are looked at. Of a new run, changes are a
    warning: its user may have mended labels. A resumed run would go on with other data than it
    began with.

    Args:
        config: The whole config.
        checkpoint: What is resumed; None to warn only.

    Raises:
        DataError: A run is resumed, and a file has changed.
    """
    roots = _prepared_roots(config)
    found = {root: find_changes(root, _SPLITS, limit_s=_LIMIT_S / len(roots)) for root in roots}
    texts = [text for changed in found.values() for text in changed]
    if not texts:
        return 0
    shown = "; ".join(texts[:_MOST_SHOWN])
    more = f"; and {len(texts) - _MOST_SHOWN} more" if len(texts) > _MOST_SHOWN else ""
    changes = f"{counted(len(texts), 'file')} changed after the data was prepared: {shown}{more}"
    if checkpoint is None:
        _LOG.warning("%s; the digest in run.json does not cover that", changes)
        return len(texts)
    message = f"cannot resume from {Path(checkpoint).name!r}: {changes}."
    hint = "restore these files or prepare the data again; or continue with --other-data."
    raise DataError(message, path=next(root for root in roots if found[root]), hint=hint)


def _prepared_roots(config: Mapping[str, Any]) -> list[Path]:
    """Return the prepared folders of all data sets that a run trains on or chooses its best by."""
    data_sets = [(config.get(f"{split}_dataloader") or {}).get("dataset") for split in _SPLITS]
    leaves = [leaf for one in data_sets if one for _, leaf in iterate_leaves(one, "")]
    roots = dict.fromkeys(Path(leaf["data_root"]) for leaf in leaves if leaf.get("data_root"))
    return [root for root in roots if is_prepared(root)]
