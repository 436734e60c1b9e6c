# SPDX-License-Identifier: Apache-2.0
"""Read a ``metafile.yml`` as data: what it says of weights and results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from zoo_plugin_templates.importing.parts import one_line, toml_text
from zoo_plugin_templates.importing.reading import Found

__all__ = ["read_metafile", "read_models", "result_lines", "weights_row"]

NAMES = ("metafile.yml", "metafile.yaml", "model-index.yml")
_DEPTH = 20
_DEAD_HOSTS = ("download.openmmlab.com", "open-mmlab.s3.ap-northeast-2.amazonaws.com")


def read_metafile(found: Found) -> dict[str, Any]:
    """Return the first metafile of a folder; empty, with a line that says why, if there is none.

    Args:
        found: The folder.
    """
    path = next((each for each in NAMES if each in found.texts), None)
    path = path or next((each for each in found.texts if each.endswith(NAMES)), None)
    if path is None:
        found.leave("metafile.yml", "there is none, so nothing is known of weights and results")
        return {}
    values = _read_yaml(found.texts[path])
    if isinstance(values, dict):
        return values
    found.leave(path, values if isinstance(values, str) else "it holds no table")
    return {}


def _read_yaml(text: str) -> Any:
    """Return the values of plain YAML, or a clause: anchors, aliases and tags are refused."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            tag, is_start = (
                getattr(event, "tag", None),
                isinstance(event, yaml.CollectionStartEvent),
            )
            if isinstance(event, yaml.AliasEvent) or tag is not None:
                what = "an alias" if tag is None else f"the tag {tag!r:.60}"
                return f"it holds {what} in line {event.start_mark.line + 1}, expected plain values"
            depth += is_start - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEPTH:
                return f"it is nested more than {_DEPTH} deep"
        values = yaml.load(text, Loader=loader)  # noqa: S506 - the safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return f"it is not YAML: line {mark.line + 1 if mark else 1}"
    except (yaml.YAMLError, ValueError, TypeError):
        return "it is not YAML"
    return values if isinstance(values, dict) else {"Models": values}


def read_models(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the entries of models that have a name.

    Args:
        values: Of a metafile.
    """
    models = values.get("Models")
    for model in models if isinstance(models, list) else []:
        if isinstance(model, dict) and isinstance(model.get("Name"), str):
            yield model


def result_lines(model: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row of a table for each result that a metafile states.

    Args:
        model: An entry.
    """
    results = model.get("Results")
    for result in results if isinstance(results, list) else [results]:
        if not isinstance(result, dict):
            continue
        metrics = result.get("Metrics")
        dataset = one_line(result.get("Dataset", ""), 60)
        for metric, value in metrics.items() if isinstance(metrics, dict) else ():
            cells = (model["Name"], dataset, metric, value)
            yield f"| {' | '.join(one_line(cell, 100).replace('|', '/') for cell in cells)} |"


def weights_row(model: Mapping[str, Any], configs: Mapping[str, str], found: Found) -> str | None:
    """Return a row of weights as a comment, because a metafile never says all that a row needs.

    Args:
        model: An entry.
        configs: Name -> path of the configs in the plugin.
        found: Takes what is missing.
    """
    address = model.get("Weights")
    if not isinstance(address, str) or not address.strip():
        return None
    name, where = one_line(model["Name"], 80), f"weights {one_line(model['Name'], 80)}"
    metadata = model.get("Metadata")
    facts = {**(metadata if isinstance(metadata, dict) else {}), **model}
    digest = str(next((v for k, v in facts.items() if str(k).lower() == "sha256"), "")).lower()
    host = re.match(r"https://([^/:@\s]+)/", address)
    if host is None or host[1].lower() in _DEAD_HOSTS:
        reason = f"{host[1]} serves files no longer" if host else "expected an https address"
        found.leave(where, f"{reason}: {one_line(address, 200)}")
        return None
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        found.leave(where, f"no whole sha256 is known of {one_line(address, 200)}")
        return None
    found.leave(where, "a comment in the manifest: data licence, size and parameters are not known")
    rows = ["[[weights]]", f"name = {toml_text(name)}", f"urls = [{toml_text(address)}]"]
    rows += [f"sha256 = {toml_text(digest)}", 'format = "pth"']
    config = str(model.get("Config", "")).rpartition("/")[2].removesuffix(".py")
    rows += [f"config = {toml_text(config)}"] if config in configs else []
    return "\n".join(f"# {row}" for row in rows)
