# SPDX-License-Identifier: Apache-2.0
"""The pages of a service: each is one file, and a policy forbids it everything else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources
from typing import Any

from starlette.responses import Response

__all__ = ["Pages"]

_SCRIPTS = ("view.js", "instances.js", "page.js")


class Pages:
    """The page to try models, and the list of addresses."""

    def __init__(self) -> None:
        self._css, self._js = _read("page.css"), "\n".join(map(_read, _SCRIPTS))
        html = _read("page.html")
        html = html.replace("/*STYLE*/", self._css).replace("/*SCRIPT*/", self._js)
        self._trial = html.encode()

    def trial(self) -> Response:
        """Return the page to try models."""
        policy = f"script-src '{_digest(self._js)}'; connect-src 'self'; img-src blob: data:"
        return self._response(self._trial, policy)

    def docs(self, description: Mapping[str, Any]) -> Response:
        """Return the list of addresses.

        Args:
            description: OpenAPI of the service.
        """
        rows = "\n".join(
            _operation(path, method.upper(), operation)
            for path, operations in description["paths"].items()
            for method, operation in operations.items()
        )
        html = _read("docs.html").replace("/*STYLE*/", self._css).replace("<!--ROWS-->", rows)
        return self._response(html.encode(), "img-src data:")

    def _response(self, body: bytes, policy: str) -> Response:
        policy = f"default-src 'none'; style-src '{_digest(self._css)}'; {policy}; "
        policy += "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        return Response(body, media_type="text/html", headers=headers)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<h2><code>{method} {escape(path)}</code></h2><p>{escape(operation['summary'])}.</p>"]
    body = operation.get("requestBody")
    if body is not None:
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in body["content"])
        parts.append(f"<p>Body: {kinds}. {escape(body['description'])}</p>")
    parameters = operation.get("parameters", [])
    if parameters:
        rows = "".join(_parameter(one) for one in parameters)
        parts.append(f"<table><tr><th>Parameter<th>Values<th>Meaning</tr>{rows}</table>")
    rows = "".join(
        f"<tr><td>{status}<td>{escape(', '.join(one['content']))}<td>{escape(one['description'])}"
        for status, one in operation["responses"].items()
    )
    parts.append(f"<table><tr><th>Status<th>Type<th>Meaning</tr>{rows}</table>")
    return f"<section>{''.join(parts)}</section>"


def _parameter(parameter: Mapping[str, Any]) -> str:
    schema = parameter["schema"]
    values = schema.get("enum") or schema.get("items", {}).get("enum")
    shown = ", ".join(values) if values else f"{schema['minimum']} to {schema['maximum']}"
    if "default" in schema:
        shown += f" (default {schema['default']})"
    name, text = escape(parameter["name"]), escape(parameter["description"])
    return f"<tr><td><code>{name}</code><td>{escape(shown)}<td>{text}"


def _read(name: str) -> str:
    return resources.files("zoo_service").joinpath("page", name).read_text("utf-8")


def _digest(text: str) -> str:
    """Return how a policy names a script or a style of the page itself."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
