# SPDX-License-Identifier: Apache-2.0
"""The facts of a MONAI bundle, as parts of a plugin; its networks are none of OpenMMLab's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from zoo.errors import PluginError
from zoo_plugin_templates.importing.parts import Imported, licence_of, one_line, toml_text
from zoo_plugin_templates.importing.reading import Found
from zoo_plugin_templates.names import Names

__all__ = ["METADATA", "import_bundle"]

METADATA = "configs/metadata.json"
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){1,3}")
_FACTS = (
    *("task", "description", "authors", "copyright", "data_source", "data_type"),
    *("intended_use", "monai_version", "pytorch_version", "numpy_version"),
)
_LICENCES = ("LICENSE", "docs/license.txt", "docs/LICENSE", "LICENSE.txt")


def import_bundle(names: Names, found: Found) -> Imported:
    """Return the parts of a plugin that a bundle's metadata has.

    Args:
        names: Of the plugin.
        found: The folder; takes what cannot be carried over.

    Raises:
        PluginError: The metadata cannot be read.
    """
    values = found.json(METADATA)
    if not isinstance(values, dict):
        reason = next((each for each in found.left if each.startswith(METADATA)), "it is no table")
        message = f"cannot read the metadata of the bundle: {reason}, expected a JSON table."
        raise PluginError(message, where=METADATA, hint="mend the file, or give another folder.")
    summary = one_line(values.get("description") or values.get("task") or names.title, 90)
    result = Imported(summary or names.title)
    version = str(values.get("version", ""))
    if _VERSION.fullmatch(version):
        result.version = version
    else:
        found.leave(f"{METADATA} version", f"{one_line(version, 40)!r} is no version; 0.1.0 is")
    result.licence_text = next((found.texts[e] for e in _LICENCES if e in found.texts), "")
    result.licence = licence_of(result.licence_text)
    result.notice = one_line(values.get("intended_use", ""), 200)
    classes = _classes(values, found)
    result.sections = list(_sections(values, classes))
    if classes:
        spelled = ", ".join(toml_text(each) for each in classes)
        result.rows.append(f"# Classes, for a row of weights:\n# classes = [{spelled}]")
    _leave_rest(values, found)
    return result


def _classes(values: Mapping[str, Any], found: Found) -> list[str]:
    """Return the names of the output's channels in their order."""
    outputs = _table(_table(values, "network_data_format"), "outputs")
    for name in outputs:
        channels = _table(_table(outputs, name), "channel_def")
        numbers = [int(key) for key in channels if re.fullmatch(r"[0-9]{1,4}", key)]
        if channels and sorted(numbers) == list(range(len(channels))):
            by_number = {int(key): one_line(value, 60) for key, value in channels.items()}
            return [by_number[number] for number in sorted(by_number)]
        if channels:
            found.leave(f"{METADATA} channel_def of {one_line(name, 40)}", "not numbered from 0")
    return []


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _sections(values: Mapping[str, Any], classes: list[str]) -> Iterator[str]:
    facts = [f"- **{key}**: {one_line(values[key], 400)}" for key in _FACTS if values.get(key)]
    if facts:
        yield "## The bundle\n\n" + "\n".join(facts)
    if classes:
        lines = [f"| {number} | {name} |" for number, name in enumerate(classes)]
        yield "## Classes\n\n| channel | class |\n|---|---|\n" + "\n".join(lines)
    metrics = _table(values, "eval_metrics")
    if metrics:
        lines = [f"| {one_line(k, 60)} | {one_line(v, 60)} |" for k, v in metrics.items()]
        head = "## Published results\n\nAs the bundle states them; nobody measured them here.\n\n"
        yield head + "| metric | value |\n|---|---|\n" + "\n".join(lines)
    references = values.get("references")
    if isinstance(references, list) and references:
        yield "## References\n\n" + "\n".join(f"- {one_line(each, 600)}" for each in references)


def _leave_rest(values: Mapping[str, Any], found: Found) -> None:
    """Note networks, weights, code and requirements, which are MONAI's."""
    for path in found.texts:
        if path.startswith("configs/") and path != METADATA:
            content = found.json(path) if path.endswith(".json") else None
            network = _table(content, "network_def") if isinstance(content, dict) else {}
            target = network.get("_target_") or network.get("name")
            if target:
                why = f"{one_line(target, 80)} is no model of OpenMMLab"
                found.leave(f"{path} network_def", why)
            found.leave(path, "MONAI's components; write a config of zoo in its place")
        elif path.endswith(".py"):
            found.leave(path, "code for MONAI's components")
        elif path.startswith("large_file"):
            found.leave(path, "addresses of weights, which need a model of the plugin first")
    for key in ("required_packages_version", "optional_packages_version"):
        for name, version in _table(values, key).items():
            found.leave(f"requirement {one_line(name, 40)} {one_line(version, 20)}", "unused here")
    if _table(values, "eval_metrics"):
        found.leave("metrics", "published values, which the README states; measure them again")
