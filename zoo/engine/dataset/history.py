# SPDX-License-Identifier: Apache-2.0
"""All data that a run was ever trained on: a list in its checkpoints that only grows.

A run may continue with other data, if its user allows it, or start from the weights of another run.
Its weights have seen the images of all of them, whatever the last config says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook

from zoo.data.layout.check import digests_of_newer
from zoo.engine.config_parts.parts import iterate_leaves
from zoo.engine.dataset.facts import contents_of_splits, facts_of_loader
from zoo.errors import DataError
from zoo.texts import printable

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

__all__ = [
    "DataUse",
    "HistoryNote",
    "current_use",
    "extend_history",
    "images_seen",
    "read_history",
    "short",
]

_KEY = "zoo_data"
_SPLITS = ("train", "val")
_LIMIT_S = 5.0  # for reading images that changed, of each split
_DIGITS = 16  # of a sha256: enough to tell images apart, and a quarter of the space
_NOTED = re.compile(r"^zoo_data_digest ?= ?'(?P<digest>[0-9a-f]{64})'$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DataUse:
    """Data that weights were trained on.

    Attributes:
        digest: Of the prepared folder; None where the data was not prepared.
        name: Name of the data.
        step: The step of the run at which its use began.
        images: Split -> the first 16 hex digits of the sha256 of each image and of its source,
            sorted; with those of images as they are now, if they changed. None of a folder that
            was not prepared.
        changed: Number of its files that were seen to have changed after it was prepared.
    """

    digest: str | None
    name: str
    step: int = 0
    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    changed: int = 0


def short(digests: Collection[str]) -> frozenset[str]:
    """Return digests as `DataUse.images` has them.

    Args:
        digests: 64 hex digits each.
    """
    return frozenset(digest[:_DIGITS] for digest in digests)


def current_use(config: Mapping[str, Any], changed: int = 0) -> DataUse:
    """Return the data that a config trains on.

    Args:
        config: The whole config.
        changed: Number of files that changed after they were prepared.

    Raises:
        DataError: It is in a prepared folder that is damaged.
    """
    loader = config["train_dataloader"]
    facts = facts_of_loader(loader)
    if "digest" not in facts:
        return DataUse(None, str(facts["name"]), changed=changed)
    _, leaf = next(iterate_leaves(loader["dataset"], ""))
    root = Path(leaf["data_root"])
    images = {}
    for split in _SPLITS:
        found = contents_of_splits(root, [split])
        if changed:
            found |= digests_of_newer(root, [split], limit_s=_LIMIT_S)
        images[split] = sorted(short(found))
    return DataUse(facts["digest"], str(facts["name"]), 0, images, changed)


def read_history(meta: Mapping[str, Any]) -> tuple[DataUse, ...]:
    """Return the data that a checkpoint was trained on, the oldest first.

    Args:
        meta: Of the checkpoint. One that keeps no list still has its config as a text, which names
            a digest; it is searched, and not run.
    """
    kept = meta.get(_KEY)
    rows = kept if isinstance(kept, list) else []
    found = [use for row in rows if isinstance(row, Mapping) and (use := _read(row))]
    if found:
        return tuple(found)
    noted = _NOTED.search(str(meta.get("cfg") or ""))
    return (DataUse(noted["digest"], "data of an older run"),) if noted else ()


def images_seen(
    meta: Mapping[str, Any], digests: Collection[str], splits: Collection[str] = ("train",)
) -> frozenset[str] | None:
    """Return those images that the weights of a checkpoint have seen, now or in earlier data.

    Args:
        meta: Of the checkpoint.
        digests: The sha256 of images or of their sources, 64 hex digits each.
        splits: ``train`` for what it was trained on, ``val`` for what chose the best one.

    Returns:
        A part of ``digests``; None if the checkpoint does not say what it was trained on, as that
        of data that was not prepared.
    """
    uses = read_history(meta)
    if not uses or not all(use.images for use in uses):
        return None
    seen = {image for use in uses for split in splits for image in use.images.get(split, ())}
    return frozenset(digest for digest in digests if short([digest]) <= seen)


def _read(row: Mapping[str, Any]) -> DataUse | None:
    digest, name, step, images = (row.get(key) for key in ("digest", "name", "step", "images"))
    if not (digest is None or isinstance(digest, str)) or type(step) is not int:
        return None
    texts = {
        str(split): [text for text in part if isinstance(text, str)]
        for split, part in (images.items() if isinstance(images, Mapping) else ())
        if isinstance(part, list)
    }
    plain, changed = None if digest is None else printable(digest), row.get("changed")
    count = changed if type(changed) is int and changed > 0 else 0
    return DataUse(plain, printable(str(name)), step, texts, count)


def extend_history(
    config: Config,
    path: str | Path,
    meta: Mapping[str, Any],
    *,
    resumes: bool,
    other_data: bool,
    changed: int = 0,
) -> tuple[DataUse, ...]:
    """Return the history of a run that continues from a checkpoint, with the data of its config.

    Args:
        config: What is to be trained.
        path: The checkpoint.
        meta: Of the checkpoint.
        resumes: Whether its run continues, rather than a new one starting from its weights.
        other_data: Whether it may continue with other data.
        changed: Number of files of the data that changed after it was prepared.

    Raises:
        DataError: The run continues with other data, which is not allowed.
    """
    history, now = read_history(meta), current_use(config, changed)
    if not history or not resumes:
        return (*history, now)
    last = history[-1]
    if last.digest == now.digest and changed in (0, last.changed):
        return history
    if last.digest != now.digest and not other_data:
        raise _other_data(Path(path), last, now)
    step = meta.get("iter")
    return (*history, replace(now, step=step if type(step) is int else 0))


def _other_data(path: Path, last: DataUse, now: DataUse) -> DataError:
    def shown(use: DataUse) -> str:
        return use.name if use.digest is None else f"{use.name} of digest {use.digest[:12]}"

    message = f"cannot resume from {path.name!r}: it was trained on {shown(last)}, "
    message += (
        f"found {shown(now)}. Images that it was trained on may be validation or test images there."
    )
    hint = "give the folder that it was trained on with --data; or continue with --other-data, "
    hint += "which every later checkpoint notes."
    return DataError(message, path=path, hint=hint)


class HistoryNote(Hook):
    """Keeps a history in every checkpoint of a run.

    Args:
        history: The oldest first.
    """

    def __init__(self, history: Sequence[DataUse]) -> None:
        self._rows = [asdict(use) for use in history]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the history in the checkpoint.

        Args:
            runner: The run.
            checkpoint: What is about to be saved; its ``meta`` is changed in place.
        """
        checkpoint["meta"][_KEY] = self._rows
