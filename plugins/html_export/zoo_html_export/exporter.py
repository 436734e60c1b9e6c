# SPDX-License-Identifier: Apache-2.0
"""``zoo export --to html``: the certified ONNX file of a model in a page that runs it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import zoo
from zoo.data import write_file
from zoo.interfaces import ExportedModel, Exporter, ExportOptions
from zoo_html_export.browser_runtime import find_package, read_package
from zoo_html_export.errors import PageError
from zoo_html_export.page_file import make_page

__all__ = ["export"]


def export(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model as one page; the target of the ``[[exporter]]`` row.

    Args:
        model: A semantic model, on the CPU, or an opened ONNX file of one.
        out: The file to write. It appears whole or not at all.
        options: What the command was told; ``runtime`` is the package onnxruntime-web.

    Returns:
        The certificate of the ONNX file in the page.

    Raises:
        PageError: The model does not run in a page.
        DownloadError: onnxruntime-web is nowhere.
        ZooError: What the exporter of ONNX raises.
    """
    _check({"task": model.model.task}, options.name)
    runtime = read_package(find_package(options.runtime))
    with tempfile.TemporaryDirectory(prefix="zoo-export-") as scratch:
        if model.model.export is None:
            path = Path(scratch, "model.onnx")
            write = cast("Exporter", zoo.load_contribution("exporter", "onnx_export.onnx"))
            write(model, path, replace(options, runtime=None))
            opened, data = zoo.load(str(path), device="cpu"), None
        else:
            opened, path, data = model, model.model.checkpoint, options.data
        exported = cast("ExportedModel", opened.model.export)
        _check(exported.record, options.name)
        certificate = exported.verify(None, data)
        # By class: a record may also say "2 parts of each" in one number.
        steps = opened.postprocess.to_json() if opened.postprocess else None
        record = {**exported.record, "postprocess": steps}
        page = make_page(record, certificate, path.read_bytes(), runtime)
    write_file(out, page)
    return certificate


def _check(record: Mapping[str, Any], name: str) -> None:
    """Refuse a model that the page would run in another way than zoo."""
    what = None
    if record["task"] != "semantic":
        what = f"its task is {record['task']!r}, expected 'semantic'"
    elif record.get("tiling") is not None:
        what = "it predicts in windows, which a page does not cut"
    if what is not None:
        message = f"cannot export {name!r}: {what}."
        raise PageError(message, where="--to html", hint="zoo serve runs it, with a page.")
