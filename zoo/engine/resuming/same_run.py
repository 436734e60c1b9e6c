# SPDX-License-Identifier: Apache-2.0
"""Whether a resumed run is the one that wrote the checkpoint: its config and processes, compared.

Each checkpoint holds the parts of its run's config that decide the result. Places (the data folder,
and all of any other full path but its last part), logging, tests and starting weights are no part
of it: they may differ between two machines, or are used up. A path within the data folder is
compared whole, and so is a relative one: another fold is other data. Two kinds of differences are
only logged: a longer or shorter run with the schedule to match, as ``--epochs`` makes it, and the
number of data workers.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook

from zoo.documents import DocumentError, Limits, parse_json
from zoo.engine.config_parts.places import FOLDER, find_data_roots, within_roots
from zoo.errors import ConfigError
from zoo.texts import printable

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["Difference", "RunNote", "check_same_run", "describe_run"]

_KEY = "zoo_run"
_LIMITS = Limits(size_bytes=2**24, values=200_000, is_finite=False)
_MOST_SHOWN = 10
# Parts of a config that decide the result of a training run; others are variables of its file.
_PARTS = (
    *("model", "train_dataloader", "val_dataloader", "val_loss_dataloader", "val_evaluator"),
    *("train_cfg", "val_cfg", "optim_wrapper", "param_scheduler", "auto_scale_lr", "default_scope"),
    *("default_hooks", "custom_hooks", "randomness", "env_cfg", "runner_type", "custom_imports"),
    *("model_wrapper_cfg", "activation_checkpointing", "efficient_conv_bn_eval", "compile"),
)
_IGNORED = re.compile(
    r"default_hooks\.(logger|timer|visualization)\b"
    r"|default_hooks\.checkpoint\.(interval|max_keep_ckpts|out_dir|published_keys|save_last)"
    r"|env_cfg\.(mp_cfg|dist_cfg)\b"
    r"|.*\b(init_cfg|pretrained)\b"
    r"|val\w*_dataloader\.(num_workers|persistent_workers)"
    r"|\w+_dataloader\.(pin_memory|prefetch_factor|timeout)"
)
_WORKERS = re.compile(r"train_dataloader\.(num_workers|persistent_workers)")
_LENGTH = re.compile(r"train_cfg\.(max_epochs|max_iters)")
# What `zoo.engine.runs.length` multiplies when the length of a run changes.
_PLACES = re.compile(
    r"train_cfg\.(val_begin|dynamic_intervals)\b"
    r"|param_scheduler\.(\d+\.)?(begin|end|T_max|milestones|periods|step_size|total_steps|gamma)"
    r"|custom_hooks\.\d+\.\w+\.\d+\.until"
    r"|.*_hooks\.\w+\.(\w+_epochs?|\w+_iter)"
)
_VALIDATION = re.compile(r"train_cfg\.val_interval")  # how often decides nothing of the weights
_FULL = re.compile(r"[/~\\]|[A-Za-z]:[/\\]|[A-Za-z][A-Za-z0-9+.-]*://|file:")
_UP = re.compile(r"^(?:\.{1,2}/+)+")  # how the data is reached from the current folder
_ABSENT = "not set"


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that differs.

    Attributes:
        key: Its path in the config, or ``processes``.
        was: Its value in the checkpoint's run, as text.
        now: Its value in this run.
        is_allowed: Whether a run may be resumed with it.
    """

    key: str
    was: str
    now: str
    is_allowed: bool = False

    def __str__(self) -> str:
        return printable(f"{self.key[:200]}: was {self.was}, is {self.now}")


def describe_run(config: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Return what a checkpoint keeps to recognize its run.

    Args:
        config: The whole config, as it is trained.
        processes: Number of processes that train together.
    """
    parts = {part: config[part] for part in _PARTS if config.get(part) is not None}
    roots = find_data_roots(config)
    rows = {
        key: _plain(value, () if _is_root(key) else roots)
        for key, value in _flat(parts, "")
        if not _IGNORED.match(key) and not (_is_root(key) and _has_digest(value))
    }
    return {"config": json.dumps(rows, sort_keys=True, default=repr), "processes": processes}


class RunNote(Hook):
    """Keeps the description of a run in every checkpoint.

    Args:
        described: As `describe_run` returns it.
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        self._described = dict(described)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep it in the checkpoint.

        Args:
            runner: The run.
            checkpoint: What is about to be saved; its ``meta`` is changed in place.
        """
        checkpoint["meta"][_KEY] = self._described


def check_same_run(
    path: str | Path, meta: Mapping[str, Any], now: Mapping[str, Any], *, is_forced: bool
) -> list[Difference]:
    """Return how a run differs from that of the checkpoint that it is resumed from.

    Args:
        path: The checkpoint.
        meta: Of the checkpoint. One that says nothing of its run is not compared.
        now: As `describe_run` describes the run that is resumed.
        is_forced: Whether it may differ in everything.

    Raises:
        ConfigError: It differs in what it must not.
    """
    found = _differences(meta.get(_KEY), now)
    refused = [one for one in found if not one.is_allowed]
    if not refused or is_forced:
        return found
    shown = "; ".join(map(str, refused[:_MOST_SHOWN]))
    more = f"; and {len(refused) - _MOST_SHOWN} more" if len(refused) > _MOST_SHOWN else ""
    message = f"cannot resume from {Path(path).name!r} with another config: {shown}{more}."
    hint = "give the config and options that it was trained with; or add --other-config to "
    hint += "continue with these."
    raise ConfigError(message, where=str(path), hint=hint)


def _differences(noted: Any, now: Mapping[str, Any]) -> list[Difference]:
    was = _read(noted)
    if was is None:
        return []
    old, new = was[0], json.loads(now["config"])
    keys = sorted({*old, *new}, key=lambda key: (key not in new, key))
    changed = [key for key in keys if not _is_same(key, old, new)]
    is_longer = any(_LENGTH.fullmatch(key) for key in changed)
    found = [
        Difference(key, _shown(old, key), _shown(new, key), _is_allowed(key, is_longer=is_longer))
        for key in changed
    ]
    if was[1] != now["processes"]:
        found.insert(0, Difference("processes", str(was[1]), str(now["processes"])))
    return found


def _read(noted: Any) -> tuple[dict[str, Any], int] | None:
    if not isinstance(noted, Mapping) or type(noted.get("processes")) is not int:
        return None
    try:
        rows = parse_json(str(noted.get("config")).encode("utf-8", "replace"), _LIMITS)
    except DocumentError:
        return None
    return (rows, noted["processes"]) if isinstance(rows, dict) else None


def _is_allowed(key: str, *, is_longer: bool) -> bool:
    if _WORKERS.fullmatch(key) or _VALIDATION.fullmatch(key):
        return True
    return is_longer and bool(_LENGTH.fullmatch(key) or _PLACES.match(key))


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys and values of a tree; a list of plain values is one value."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, (list, tuple)) and any(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value):
            yield from _flat(part, f"{key}.{number}")
    else:
        yield key, value


def _is_root(key: str) -> bool:
    return key.rpartition(".")[2] == "data_root"


def _has_digest(root: Any) -> bool:
    """Return whether a data folder is compared by the digest of what was prepared."""
    return not isinstance(root, str) or os.path.isfile(os.path.join(root, "dataset.json"))


def _plain(value: Any, roots: Sequence[str]) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(part, roots) for part in value]
    if isinstance(value, str):
        return within_roots(value, roots)
    return value if value is None or isinstance(value, (int, float)) else repr(value)


def _is_same(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if _is_root(key):  # only relative ones say something: which fold, which part
        pair = [rows[key] for rows in (old, new) if isinstance(rows.get(key), str)]
        return len(pair) < 2 or any(_FULL.match(root) for root in pair) or _are_equal(*pair)
    return _are_equal(old.get(key), new.get(key))


def _are_equal(old: Any, new: Any) -> bool:
    """Return whether two values are the same, wherever their files lie."""
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_are_equal, old, new))
    if not isinstance(old, str) or not isinstance(new, str):
        return bool(old == new)
    in_data = [text.partition("/")[0] == FOLDER for text in (old, new)]
    if any(_FULL.match(text) for text in (old, new)) or in_data[0] != in_data[1]:
        return _last_part(old) == _last_part(new) and not _are_others(old, new)
    return _UP.sub("", old).rstrip("/") == _UP.sub("", new).rstrip("/")


def _are_others(old: str, new: str) -> bool:
    """Return whether two paths are of files on this machine that differ: none of them has moved."""
    try:
        are_files = os.path.isfile(old) and os.path.isfile(new)
        return are_files and not filecmp.cmp(old, new, shallow=False)
    except (OSError, ValueError):
        return False


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]


def _shown(rows: Mapping[str, Any], key: str) -> str:
    if key not in rows:
        return _ABSENT
    text = json.dumps(rows[key]) if isinstance(rows[key], str) else str(rows[key])
    return text if len(text) <= 60 else f"{text[:60]}..."
