# SPDX-License-Identifier: Apache-2.0
"""The files of an imported plugin: what was found, in the frame of ``zoo plugin new``."""

from __future__ import annotations

from zoo.errors import PluginError
from zoo_plugin_templates.importing.bundle import METADATA, import_bundle
from zoo_plugin_templates.importing.parts import UNSTATED, Imported, one_line
from zoo_plugin_templates.importing.project import import_project
from zoo_plugin_templates.importing.reading import Found
from zoo_plugin_templates.names import Names
from zoo_plugin_templates.parts import Plan
from zoo_plugin_templates.rendering import render

__all__ = ["make_plugin"]


def make_plugin(names: Names, found: Found) -> dict[str, str]:
    """Return path -> content of the files of a plugin.

    Args:
        names: Of the plugin.
        found: The folder that is imported; takes what cannot be carried over.

    Raises:
        PluginError: The folder is neither a project nor a bundle.
    """
    is_bundle = METADATA in found.texts
    if not is_bundle and not any(path.endswith(".py") for path in found.texts):
        message = f"cannot import {found.name!r}: found no code and no {METADATA}, expected either."
        hint = "give the folder of one project or bundle."
        raise PluginError(message, where=found.name, hint=hint)
    result = (import_bundle if is_bundle else import_project)(names, found)
    if result.licence == UNSTATED:
        found.leave("licence", f"none that zoo knows is stated; the plugin says {UNSTATED}")
    texts = render(names, Plan("semantic", has_dataset=False, parts=()), _facts(names, result))
    default = texts["LICENSE"] if result.licence == "Apache-2.0" else _unstated(result)
    texts["LICENSE"] = result.licence_text or default
    texts["README.md"] = _readme(names, result, found)
    return texts | {f"{names.package}/{path}": text for path, text in result.files.items()}


def _facts(names: Names, result: Imported) -> dict[str, object]:
    """Return what the templates say of this plugin in place of what they say of a new one."""
    code = {path for path in result.files if path.endswith("/__init__.py")}
    packages = sorted(path.removesuffix("/__init__.py").replace("/", ".") for path in code)
    return {
        "summary": result.summary,
        "version": result.version,
        "license": result.licence,
        "notice": result.notice,
        "rows": result.rows,
        "distributions": result.distributions,
        "more_distributions": result.distributions,
        "packages": [names.package, *(f"{names.package}.{each}" for each in packages)],
    }


def _unstated(result: Imported) -> str:
    return f"{result.licence}\n\nThe folder that this plugin was made of holds no licence text.\n"


def _readme(names: Names, result: Imported, found: Found) -> str:
    left = [f"- {one_line(line, 400)}" for line in found.left]
    sections = [f"# {names.plugin}: {result.summary}\n\nA plugin of mmzoo."]
    sections += result.sections
    if left:
        sections.append("## Not carried over\n\n" + "\n".join(left))
    sections.append(f"## Licence\n\n{result.licence} (`LICENSE`).")
    return "\n\n".join(sections) + "\n"
