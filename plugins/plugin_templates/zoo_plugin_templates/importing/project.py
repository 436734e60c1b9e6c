# SPDX-License-Identifier: Apache-2.0
"""A folder like those in ``projects/`` of mmsegmentation and mmdetection, as parts of a plugin."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping

from zoo_plugin_templates.importing.configs import config_rows, import_configs
from zoo_plugin_templates.importing.edits import Code, parse
from zoo_plugin_templates.importing.metafile import (
    read_metafile,
    read_models,
    result_lines,
    weights_row,
)
from zoo_plugin_templates.importing.parts import Imported, licence_of, one_line, toml_text
from zoo_plugin_templates.importing.reading import Found
from zoo_plugin_templates.importing.registered import Registered, find_registered
from zoo_plugin_templates.importing.rewriting import Modules, rewrite_imports, rewrite_types
from zoo_plugin_templates.names import Names

__all__ = ["import_project"]

_NO_CODE = ("tools/", "tests/", "docs/", "demo/", "configs/")
_KNOWN = {"mmseg": "mmsegmentation>=1.2,<2", "mmdet": "mmdet>=3.3,<4"}
_DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-python", "skimage": "scikit-image"}
_DISTRIBUTIONS |= {"sklearn": "scikit-learn", "yaml": "pyyaml"}
_OF_OPENMMLAB = {"mmcv", "mmengine", "numpy", "torch", "cv2", "mmseg", "mmdet", "zoo"}


def import_project(names: Names, found: Found) -> Imported:
    """Return the parts of a plugin that a project's folder has.

    Args:
        names: Of the plugin.
        found: The folder; takes what cannot be carried over.
    """
    trees = _trees(found)
    modules = Modules(found.name, names.package, _module_names(trees))
    rows: dict[tuple[str, str], str] = {}
    by_path = {path: _registered(path, tree, found, rows) for path, tree in trees.items()}
    types = {name: f"zoo.{names.plugin}.{name}" for _, name in rows}
    result = Imported(_summary(found, names))
    for path, tree in trees.items():
        result.files[path] = _rewrite(path, tree, by_path[path], found, modules, types)
    _add_packages(result)
    scope = "mmdet" if "mmdet" in _tops(trees) and "mmseg" not in _tops(trees) else "mmseg"
    result.distributions = _requirements(trees, modules, scope, found)
    result.rows = [_row(names, found, trees, key, path) for key, path in rows.items()]
    configs = import_configs(found, types, modules, scope)
    result.files |= configs
    named = config_rows(configs, found)
    result.rows += [
        f"[[config]]\nname = {toml_text(name)}\nfile = {toml_text(path)}"
        for name, path in named.items()
    ]
    _add_documents(result, found, named)
    return result


def _trees(found: Found) -> dict[str, ast.Module]:
    """Return path -> syntax tree of the modules that go into the package."""
    trees = {}
    for path, text in found.texts.items():
        if not path.endswith(".py") or path.startswith("configs/"):
            continue
        if path.startswith(_NO_CODE) or path == "setup.py":
            found.leave(path, "it is a tool, not a part of a package")
            continue
        if path == "__init__.py":
            found.leave(path, "the plugin has its own; zoo imports what a config names")
            continue
        if not all(part.isidentifier() for part in path.removesuffix(".py").split("/")):
            found.leave(path, "its name is no name of a module")
            continue
        tree = parse(text)
        if isinstance(tree, str):
            found.leave(path, tree)
        else:
            trees[path] = tree
    return trees


def _module_names(trees: Mapping[str, ast.Module]) -> set[str]:
    """Return the modules and their packages, with dots."""
    names = set()
    for path in trees:
        parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
        names |= {".".join(parts[: count + 1]) for count in range(len(parts))}
    return names


def _registered(
    path: str, tree: ast.Module, found: Found, rows: dict[tuple[str, str], str]
) -> list[Registered]:
    """Note a row for each class that a module registers; return them all."""
    registered = list(find_registered(tree))
    taken = {name for _, name in rows}
    for each in registered:
        problem = each.problem
        if not problem and each.name in taken:
            problem = "another class of the project is registered with this name"
        if problem:
            found.leave(f"{path}:{each.node.lineno} {each.node.name}", problem)
        else:
            taken.add(each.name)
            rows[each.kind, each.name] = f"{path}:{each.node.name}"
    return registered


def _rewrite(
    path: str,
    tree: ast.Module,
    registered: list[Registered],
    found: Found,
    modules: Modules,
    types: Mapping[str, str],
) -> str:
    code = Code(found.texts[path])
    for each in registered:
        if not each.problem:
            code.remove_decorator(each.decorator)
    for line, reason in rewrite_imports(tree, code, modules):
        found.leave(f"{path}:{line}", reason)
    rewrite_types(tree, code, types)
    return code.text()


def _add_packages(result: Imported) -> None:
    """Add the ``__init__.py`` that folders of code lack."""
    for path in list(result.files):
        parts = path.split("/")[:-1]
        for count in range(len(parts)):
            result.files.setdefault("/".join([*parts[: count + 1], "__init__.py"]), "")


def _imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def _tops(trees: Mapping[str, ast.Module]) -> set[str]:
    return {name.partition(".")[0] for tree in trees.values() for name in _imported(tree)}


def _requirements(
    trees: Mapping[str, ast.Module], modules: Modules, scope: str, found: Found
) -> list[str]:
    """Return the requirements of the code; ranges of others than OpenMMLab are not known."""
    names = {name for tree in trees.values() for name in _imported(tree)}
    tops = {name.partition(".")[0] for name in names if modules.new_name(name) is None}
    wanted = [_KNOWN[top] for top in ("mmseg", "mmdet") if top in tops or top == scope]
    for top in sorted(tops - _OF_OPENMMLAB - set(sys.stdlib_module_names) - {"projects"}):
        distribution = _DISTRIBUTIONS.get(top, top)
        wanted.append(distribution)
        found.leave(
            f"requirement {distribution}", f"for `import {top}`; its versions are not known"
        )
    return wanted


def _row(
    names: Names,
    found: Found,
    trees: Mapping[str, ast.Module],
    key: tuple[str, str],
    place: str,
) -> str:
    (kind, name), (path, _, target) = key, place.partition(":")
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    lines = [f"[[{kind}]]", f"name = {toml_text(name)}"]
    lines.append(f"target = {toml_text(f'{names.package}.{module}:{target}')}")
    if kind == "dataset":
        classes = _classes(trees[path], target)
        task = "instance" if "mmdet" in _tops({path: trees[path]}) else "semantic"
        spelled = ", ".join(toml_text(each) for each in classes)
        lines.append(f'task = "{task}"')
        lines.append(f"classes = [{spelled}]" if classes else 'classes = "from data"')
        lines.append('licence = "not stated"')
        found.leave(f"dataset {name}", "the licence of its data, and a prepare of its raw files")
    return "\n".join(lines)


def _classes(tree: ast.Module, target: str) -> list[str]:
    """Return the classes in METAINFO of a data set, if they are written out."""
    classes_of_module = (node for node in tree.body if isinstance(node, ast.ClassDef))
    node = next((each for each in classes_of_module if each.name == target), None)
    for each in ast.walk(node) if node else ():
        is_metainfo = isinstance(each, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "METAINFO" for target in each.targets
        )
        value = each.value if is_metainfo and isinstance(each, ast.Assign) else None
        pairs: list[tuple[object, ast.expr]] = []
        if isinstance(value, ast.Call):
            pairs = [(keyword.arg, keyword.value) for keyword in value.keywords]
        elif isinstance(value, ast.Dict):
            pairs = [
                (getattr(k, "value", 0), v) for k, v in zip(value.keys, value.values, strict=True)
            ]
        for key, classes in pairs:
            if key == "classes" and isinstance(classes, ast.Tuple | ast.List):
                texts = [getattr(item, "value", None) for item in classes.elts]
                if all(isinstance(text, str) for text in texts):
                    return [str(text) for text in texts]
    return []


def _summary(found: Found, names: Names) -> str:
    heading = re.search(r"^#+\s+(.+)$", found.texts.get("README.md", ""), re.MULTILINE)
    return (
        one_line(heading[1], 80) if heading and one_line(heading[1]) else names.title.capitalize()
    )


def _add_documents(result: Imported, found: Found, configs: Mapping[str, str]) -> None:
    """Add licence, card, and what the metafile states."""
    values = read_metafile(found)
    models = list(read_models(values))
    listed = values.get("Collections")
    collections = listed if isinstance(listed, list) else []
    stated = [each.get("License") for each in collections if isinstance(each, dict)]
    text = found.texts.get("LICENSE", "")
    result.licence_text = text
    result.licence = licence_of(text or str(next(filter(None, stated), "")))
    lines = [line for model in models for line in result_lines(model)]
    if lines:
        head = "## Published results\n\nAs the metafile states them; nobody measured them here.\n\n"
        table = "| model | data set | metric | value |\n|---|---|---|---|\n"
        result.sections.append(head + table + "\n".join(lines))
        found.leave("metrics", "published values, which the README states; measure them again")
    rows = [weights_row(model, configs, found) for model in models]
    result.rows += [row for row in rows if row]
    if found.texts.get("README.md", "").strip():
        card = re.sub(r"^#", "##", found.texts["README.md"].strip(), flags=re.MULTILINE)
        result.sections.append(f"## The project's README\n\n{card}")
