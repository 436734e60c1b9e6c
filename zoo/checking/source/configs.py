# SPDX-License-Identifier: Apache-2.0
"""What a config says in its text: its bases and the types that it names. It does not run."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.checking.source.definitions import running_statements
from zoo.checking.source.places import text_of
from zoo.checking.source.python import read_python
from zoo.documents import DocumentError, Limits, read_json, reason_of
from zoo.errors import ConfigError

__all__ = ["ConfigText", "Named", "base_file", "local_bases", "read_config_text"]

_LIMITS = Limits(is_finite=False)
_BASE, _TYPE, _DATA = "_base_", "type", "_data_"


@dataclass(frozen=True, slots=True)
class Named:
    """A text in a config, and its line (0 if that is not known)."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A config as its text.

    Attributes:
        path: The file.
        fault: Why it cannot be parsed, or None.
        line: Line of the fault, or 0.
        bases: What ``_base_`` names.
        types: What the keys ``type`` and ``_data_`` name, as far as they are texts.
        unknown: Line of a ``_base_`` that only running the config tells, or 0.
        imports: Whether it has ``custom_imports``, which may register any name.
        lacks: The package that reads it and is not installed, or an empty text.
    """

    path: Path
    fault: str | None = None
    line: int = 0
    bases: tuple[Named, ...] = ()
    types: tuple[Named, ...] = ()
    unknown: int = 0
    imports: bool = False
    lacks: str = ""


def read_config_text(path: Path) -> ConfigText:
    """Return what a config says; one that cannot be parsed says why.

    Args:
        path: A ``.py``, ``.json``, ``.yaml`` or ``.yml``.
    """
    if path.suffix == ".py":
        return _of_python(path)
    try:
        value = read_json(path, _LIMITS) if path.suffix == ".json" else _yaml(path)
    except (OSError, DocumentError) as error:
        return ConfigText(path, reason_of(error))
    except ConfigError as error:
        return ConfigText(path, error.message.removeprefix("cannot read YAML: ").rstrip("."))
    except ModuleNotFoundError:  # YAML comes with mmengine
        return ConfigText(path, lacks="pyyaml")
    if not isinstance(value, dict):
        return ConfigText(path, "it is no table of names and values")
    return _of_data(path, value)


def _yaml(path: Path) -> Any:
    from zoo.engine.config_files.safe_yaml import read_yaml

    return read_yaml(text_of(path))


def _of_data(path: Path, value: dict[str, Any]) -> ConfigText:
    lines = text_of(path).splitlines()

    def named(text: str) -> Named:
        return Named(text, next((at for at, line in enumerate(lines, 1) if text in line), 0))

    stated = value.get(_BASE, [])
    stated = [stated] if isinstance(stated, str) else stated
    bases = stated if isinstance(stated, list) else []
    texts = (*_types_in(value), value.get(_DATA))
    types = sorted({each for each in texts if isinstance(each, str)})
    return ConfigText(
        path,
        bases=tuple(named(each) for each in bases if isinstance(each, str)),
        types=tuple(map(named, types)),
        imports="custom_imports" in value,
    )


def _types_in(value: Any) -> Iterator[Any]:
    left = [value]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node.get(_TYPE)
            left += node.values()
        elif isinstance(node, list | tuple):
            left += node


def _of_python(path: Path) -> ConfigText:
    file = read_python(path)
    if file.fault is not None:
        return ConfigText(path, file.fault, file.line)
    texts = _constants(file.tree)
    bases: list[Named] = []
    unknown = 0
    for node in running_statements(file.tree.body):
        if isinstance(node, ast.Assign | ast.AnnAssign) and _assigns(node, _BASE):
            found = _base_texts(node.value)
            unknown = unknown if found is not None else node.lineno
            bases += found or []
        elif isinstance(node, ast.With) and _is_read_base(node):
            bases += _imported_bases(node, path)
    types = tuple(_types_of(file.tree, texts))
    imports = any(
        isinstance(node, ast.Assign) and _assigns(node, "custom_imports")
        for node in running_statements(file.tree.body)
    )
    return ConfigText(path, None, 0, tuple(bases), types, unknown, imports)


def _assigns(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(each, ast.Name) and each.id == name for each in targets)


def _base_texts(value: ast.expr | None) -> list[Named] | None:
    """Return the texts of ``_base_``, or None if they are computed."""
    nodes = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    found = []
    for node in nodes:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return None
        found.append(Named(node.value, node.lineno))
    return found


def _is_read_base(node: ast.With) -> bool:
    calls = [item.context_expr for item in node.items]
    return any(isinstance(each, ast.Call) and "read_base" in ast.unparse(each) for each in calls)


def _imported_bases(node: ast.With, path: Path) -> Iterator[Named]:
    """Yield the bases of ``with read_base():``, relative ones as paths."""
    for each in node.body:
        if isinstance(each, ast.ImportFrom) and each.level:
            up = "/".join([".."] * (each.level - 1) or ["."])
            names = (each.module or "").split(".") if each.module else [each.names[0].name]
            yield Named(f"{up}/{'/'.join(names)}.py", each.lineno)


def _constants(tree: ast.Module) -> dict[str, str]:
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    found[target.id] = node.value.value
    return found


def _types_of(tree: ast.Module, texts: dict[str, str]) -> Iterator[Named]:
    for node in ast.walk(tree):
        values: list[ast.expr | None] = []
        if isinstance(node, ast.Assign) and _assigns(node, _DATA):
            values = [node.value]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            is_dict = node.func.id in ("dict", "ConfigDict")
            values = [each.value for each in node.keywords if is_dict and each.arg == _TYPE]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            values = [value for key, value in pairs if getattr(key, "value", None) == _TYPE]
        for value in values:
            text = getattr(value, "value", None)
            if isinstance(value, ast.Name):
                text = texts.get(value.id)
            if isinstance(text, str) and not isinstance(value, ast.Attribute):
                yield Named(text, getattr(value, "lineno", 0))


def base_file(text: str, config: Path) -> Path | None:
    """Return the file that a base means relative to its config; None for ``package::path``.

    Args:
        text: An entry of ``_base_``.
        config: The file that names it.
    """
    if "::" in text:
        return None
    return Path(os.path.normpath(config.parent / os.path.expanduser(text)))


def local_bases(config: Path, package: Path) -> list[Path]:
    """Return the bases of a config in its own package, those of bases too; only what exists.

    Args:
        config: The file of a config.
        package: The folder of the package.
    """
    found: list[Path] = []
    left = [config]
    while left:
        here = left.pop()
        for base in read_config_text(here).bases:
            path = base_file(base.text, here)
            is_own = path is not None and path.is_relative_to(os.path.normpath(package))
            if path is None or not is_own or path in [*found, config]:
                continue
            if os.path.isfile(path):
                found.append(path)
                left.append(path)
    return found
