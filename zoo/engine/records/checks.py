# SPDX-License-Identifier: Apache-2.0
"""Check that a record from elsewhere may be built: to mmengine, even a config that is data is code.

``dict(type='subprocess.Popen')`` builds; ``init_cfg`` loads files; and parts of upstream evaluate
strings (mmcv's ``batched_nms`` its ``type``, mmdet's camera motion its ``warp_mode``). So a record
must be plain (keys, words, sizes), and everything in it must be on the positive list
(`zoo.engine.records.forms`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.engine.cleaning.postprocess import parse_postprocess
from zoo.engine.records.forms import HINT, check_forms
from zoo.engine.records.record import ModelRecord
from zoo.errors import CheckpointError, ConfigError, UnsafeCheckpointError

__all__ = ["check_record"]

_SCOPES = ("mmengine", "mmseg", "mmdet")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_NAME = re.compile(r"[A-Za-z]\w{0,99}(?:\.[A-Za-z]\w{0,99}){0,2}", re.ASCII)
_WORDS = re.compile(r"[A-Za-z0-9_ .,:+-]{0,300}")
_FILE = re.compile(r"\.(py|json|ya?ml|toml|pth?|pkl|pickle|bin|onnx|txt|safetensors)$", re.I)
_FORBIDDEN_KEYS = frozenset(
    [
        "init_cfg",
        "pretrained",
        "checkpoint",
        "checkpoint_path",
        "load_from",
        "custom_imports",
        "custom_hooks",
        "teacher_config",
        "teacher_ckpt",
        "backend_args",
        "file_client_args",
        "ann_file",
        "vocab_path",
    ]
)
_STEP_LIMIT = 100  # of a pipeline, whose time nothing else bounds; shipped ones have ten
_DEPTH_LIMIT = 40
_NODE_LIMIT = 20_000
_NUMBER_LIMIT = 10**9


def check_record(record: ModelRecord, where: str | Path) -> None:
    """Raise unless building ``record`` runs nothing but registered classes on plain values.

    Args:
        record: As `parse_record` returns it.
        where: The file that contains it, for messages.

    Raises:
        UnsafeCheckpointError: A type is an import path or not on the list, or a text is not one of
            its parameter's words.
        UnknownNameError: A type is not registered; perhaps a plugin is missing.
        CheckpointError: A key is not allowed, or a number or size is out of bounds.
    """
    if len(record.palette) != len(record.classes) or not 0 < len(record.classes) <= 10_000:
        reason = f"{len(record.classes)} classes and {len(record.palette)} colours"
        raise _refused(where, "classes", reason)
    try:
        parse_postprocess(record.postprocess, record.classes, task=record.task)
    except ConfigError as error:
        raise _refused(where, "postprocess", error.message.rstrip(".")) from error
    if len(record.pipeline) > _STEP_LIMIT:
        raise _refused(where, "pipeline", f"more than {_STEP_LIMIT} steps")
    for root in ("model", "pipeline"):
        for number, (key, name, value) in enumerate(_leaves(getattr(record, root), root, where)):
            if number > _NODE_LIMIT:
                raise _refused(where, key, f"more than {_NODE_LIMIT} values")
            _check_key(name, key, value, where)
            if name == "type":
                _check_type(value, key, where)
            else:
                _check_value(value, key, where)
    check_forms(record.model, "model", "model", record.scope, where)
    for number, step in enumerate(record.pipeline):
        check_forms(step, "pipeline", f"pipeline.{number}", record.scope, where)


def _leaves(
    node: Any, key: str, where: str | Path, name: str = "", depth: int = 0
) -> Iterator[tuple[str, str, Any]]:
    """Yield ``(dotted key, last name, value)`` of everything in a config, including tables."""
    if depth > _DEPTH_LIMIT:
        raise _refused(where, key[:200], f"nested deeper than {_DEPTH_LIMIT}")
    yield key, name, node
    if isinstance(node, Mapping):
        for inner, value in node.items():
            yield from _leaves(value, f"{key}.{inner}", where, inner, depth + 1)
    elif isinstance(node, (list, tuple)):
        for number, value in enumerate(node):
            yield from _leaves(value, f"{key}.{number}", where, "", depth + 1)


def _check_key(name: str, key: str, value: Any, where: str | Path) -> None:
    if name in _FORBIDDEN_KEYS and value not in (None, False):
        raise _refused(where, key, f"{name} is not allowed in a record")
    if name and not _KEY.fullmatch(name):
        raise _refused(where, key, f"{name!r} is not a key of a resolved config")


def _check_value(value: Any, key: str, where: str | Path) -> None:
    if isinstance(value, str):
        if not _WORDS.fullmatch(value) or "__" in value or _FILE.search(value):
            msg = f"cannot use the model's record: {key} is {value[:80]!r}, expected words only."
            raise UnsafeCheckpointError(msg, global_name=value[:80], path=where, hint=HINT)
    elif isinstance(value, (int, float)) and abs(value) > _NUMBER_LIMIT:
        raise _refused(where, key, f"{value!r} is out of bounds (at most 1e9)")


def _check_type(kind: Any, key: str, where: str | Path) -> None:
    if not isinstance(kind, str) or not _NAME.fullmatch(kind):
        raise _foreign_type(kind, key, where)
    prefix = kind.rpartition(".")[0]
    if prefix.partition(".")[0] != "zoo" and prefix not in ("", *_SCOPES):
        raise _foreign_type(kind, key, where)


def _foreign_type(kind: Any, key: str, where: str | Path) -> UnsafeCheckpointError:
    msg = (
        f"cannot use the model's record: {key} is {str(kind)[:80]!r}, expected a registered name "
        "such as 'EncoderDecoder', 'mmdet.ResNet' or 'zoo.plugin.Name'. Nothing in it was run."
    )
    return UnsafeCheckpointError(msg, global_name=str(kind)[:80], path=where, hint=HINT)


def _refused(where: str | Path, key: str, reason: str) -> CheckpointError:
    msg = f"cannot use the model's record: {key}: {reason}."
    return CheckpointError(msg, path=where, hint=HINT)
