# SPDX-License-Identifier: Apache-2.0
"""The page: one file of HTML whose policy forbids every request."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from typing import Any

from zoo_html_export.browser_runtime import VERSION, BrowserRuntime

__all__ = ["make_page"]

_SCRIPTS = ("view.js", "reading.js", "cleaning.js", "saving.js", "page.js")
_STYLES = ("page.css", "own.css")


def make_page(
    record: Mapping[str, Any],
    certificate: Mapping[str, Any],
    model: bytes,
    runtime: BrowserRuntime,
) -> bytes:
    """Return the page.

    Args:
        record: What the exported file says of its model.
        certificate: How far it departs from its original.
        model: The exported file.
        runtime: What runs it.
    """
    style, script = (_joined(names) for names in (_STYLES, _SCRIPTS))
    kept = ("name", "classes", "palette", "licence", "notice", "postprocess")
    told = {key: record.get(key) for key in kept}
    told |= {"facts": list(_facts(record, certificate, model)), "software": _software()}
    parts = {
        "POLICY": _policy(style, script),
        "TITLE": escape(str(record["name"])),
        "STYLE": style,
        "RECORD": json.dumps(told).replace("<", "\\u003c"),
        "WORKER": _packed(f"{runtime.library}\n{_read('worker.js')}".encode()),
        "BINARY": _packed(runtime.binary),
        "MODEL": _packed(model),
        "SCRIPT": script,
    }
    first, *rest = _read("page.html").split("/*")
    pieces = [first]
    for piece in rest:  # one pass, so that no part is searched for the name of another
        name, _, following = piece.partition("*/")
        pieces += [parts[name], following]
    return "".join(pieces).encode()


def _policy(style: str, script: str) -> str:
    """Return the policy: the script and the style of the page, its own worker, and nothing else."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}' blob: 'wasm-unsafe-eval'; worker-src blob:; "
        "img-src blob: data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _packed(data: bytes) -> str:
    """Return base64 of gzip, the same for equal bytes."""
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


def _facts(
    record: Mapping[str, Any], certificate: Mapping[str, Any], model: bytes
) -> Iterator[tuple[str, str]]:
    """Yield the rows of what the page says about its model."""
    licence = record.get("licence") or {}
    yield "Model", record["name"]
    yield "Classes", ", ".join(record["classes"])
    yield "Licence of the weights", licence.get("weights") or "not stated"
    yield "Licence of the training data", licence.get("data") or "not stated"
    if licence.get("non_commercial"):
        yield "Use", "not commercial"
    if record.get("notice"):
        yield "Notice", record["notice"]
    yield from _compared(certificate)
    yield "Sha256 of the weights", str(record.get("weights_sha256"))
    yield "Sha256 of the certified graph", certificate["graph_sha256"]
    yield "Sha256 of the ONNX file", hashlib.sha256(model).hexdigest()
    made = record.get("made_with")
    if isinstance(made, Mapping):
        yield "Made with", ", ".join(f"{name} {version}" for name, version in made.items())
    yield "Run by", f"onnxruntime-web {VERSION}"


def _compared(certificate: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a certificate says; other writers of format 1 may compare labels alone."""
    data, metric = certificate.get("data"), certificate.get("metric")
    if isinstance(data, Mapping):
        on = f"on {certificate.get('images')} images: {data.get('name')}"
        yield "Compared with the original", on
    yield "Labels that differ", f"{certificate['labels_differ']:.4%}"
    if metric is not None:
        yield "Mean IoU", f"{metric['original']:.4f}, exported {metric['exported']:.4f}"


def _software() -> str:
    own = "The page itself: Apache-2.0, Copyright the authors of mmzoo."
    other = f"onnxruntime-web {VERSION}: Copyright (c) Microsoft Corporation."
    return f"{own}\n\n{other}\n\n{_read('onnxruntime-web.txt')}"


def _joined(names: tuple[str, ...]) -> str:
    return "\n".join(map(_read, names))


def _read(name: str) -> str:
    return resources.files("zoo_html_export").joinpath("page", name).read_text("utf-8")
