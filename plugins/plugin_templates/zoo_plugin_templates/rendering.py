# SPDX-License-Identifier: Apache-2.0
"""From templates to the files of a plugin.

``templates/`` has a folder for each part. Its files lie where they lie in the plugin, with
``PLUGIN`` for the plugin's name, ``CONFIG`` for its config's, and ``dot_`` for a leading dot; those
that end in ``.jinja`` are rendered. What a part adds to the manifest and to the README lies in
``_rows.toml`` and ``_card.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo_plugin_templates.names import Names
from zoo_plugin_templates.next_steps import try_lines
from zoo_plugin_templates.parts import Plan

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

_RENDERED = ".jinja"
_FRAGMENTS = {"rows": "_rows.toml.jinja", "card": "_card.md.jinja"}

# The plugins whose types the shipped base of a config names.
_BASES = {
    "semantic": ("dice-loss", "folder-data", "segmentation-metrics", "training-hooks"),
    "instance": (
        *("dice-loss", "efficientnet-lite", "folder-data", "instance-metrics"),
        *("segmentation-transforms", "training-hooks"),
    ),
}


def render(names: Names, plan: Plan, given: Mapping[str, object] | None = None) -> dict[str, str]:
    """Return path in the plugin -> content of each of its files.

    Args:
        names: Names of the plugin.
        plan: What it consists of.
        given: Facts for the templates in place of those that follow from names and plan.
    """
    facts = _facts(names, plan)
    for name, file in _FRAGMENTS.items():
        facts[name] = [_read(f"{folder}/{file}", facts).strip("\n") for folder in plan.folders]
        facts[name] = [text for text in facts[name] if text]
    facts |= given or {}
    return {
        _place(path, names, plan): _read(f"{folder}/{path}", facts)
        for folder in plan.folders
        for path in _files(folder)
    }


def _read(path: str, facts: dict[str, Any]) -> str:
    """Return a file of a template, rendered if it is to be; empty if there is none."""
    if path.endswith(_RENDERED) and (_root() / path).is_file():
        return _environment().get_template(path).render(facts)
    return (_root() / path).read_text(encoding="utf-8") if (_root() / path).is_file() else ""


@cache
def _root() -> Path:
    return Path(str(files("zoo_plugin_templates"))) / "templates"


@cache
def _environment() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_root()),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  (code and TOML, not HTML)
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


def _facts(names: Names, plan: Plan) -> dict[str, Any]:
    """Return what templates may say."""
    major, minor = zoo.__version__.split(".")[:2]
    return {
        "plugin": names.plugin,
        "package": names.package,
        "prefix": names.prefix,
        "dashed": names.dashed,
        "title": names.title,
        "config_name": names.config(plan.task),
        "summary": f"{names.title.capitalize()}: {plan.task} segmentation",
        "version": "0.1.0",
        "license": "Apache-2.0",
        "notice": "",
        "packages": [names.package],
        "distributions": _requirements(plan),
        "more_distributions": (),
        "commands": list(try_lines(names, plan)),
        "dependencies": _BASES[plan.task] if plan.has_config else (),
        "task": plan.task,
        "has_dataset": plan.has_dataset,
        "has_config": plan.has_config,
        "parts": plan.parts,
        "zoo_from": f"{major}.{minor}",
        "zoo_below": f"{major}.{int(minor) + 1}",
    }


def _requirements(plan: Plan) -> list[str]:
    """Return what the code of the plugin imports beyond zoo."""
    found = []
    if plan.has_dataset:
        found.append({"semantic": "mmsegmentation>=1.2,<2", "instance": "mmdet>=3.3,<4"}[plan.task])
    if "command" in plan.parts:
        found.append("click>=8.1")
    return found


@cache
def _files(folder: str) -> list[str]:
    """Return the files that a folder of templates adds to a plugin."""
    paths = [path for path in sorted((_root() / folder).rglob("*")) if path.is_file()]
    kept = [path for path in paths if path.name not in _FRAGMENTS.values()]
    return [path.relative_to(_root() / folder).as_posix() for path in kept if path.suffix != ".pyc"]


def _place(relative: str, names: Names, plan: Plan) -> str:
    """Return where a file of a template belongs in the plugin."""
    place = relative.removesuffix(_RENDERED).replace("PLUGIN", names.plugin)
    parts = place.replace("CONFIG", names.config(plan.task)).split("/")
    return "/".join(f".{part[4:]}" if part.startswith("dot_") else part for part in parts)
