# SPDX-License-Identifier: Apache-2.0
"""What runs a model in a browser: two files of the package onnxruntime-web, which is pinned."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

import zoo
from zoo_html_export.errors import PageError

__all__ = ["VERSION", "BrowserRuntime", "find_package", "read_package"]

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web-{VERSION}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
SIZE_BYTES = 33_106_585
_LIBRARY = "package/dist/ort.wasm.bundle.min.mjs"
_BINARY = "package/dist/ort-wasm-simd-threaded.wasm"
_MOST_BYTES = 2**26
_EXPORTS = re.compile(r"export\{([\w$ ,]+)\};\s*(//# sourceMappingURL=\S+\s*)?\Z")
_HINT = f"npm pack onnxruntime-web@{VERSION}, then add to the command: --runtime {PACKAGE}"


@dataclass(frozen=True, slots=True)
class BrowserRuntime:
    """The library and the binary that it loads.

    Attributes:
        library: JavaScript that ends with its names in the object ``ort``.
        binary: WebAssembly.
    """

    library: str
    binary: bytes


def find_package(source: str | None) -> Path:
    """Return the verified package, which the cache keeps once it was given.

    Args:
        source: A file or an address; None for the cache and the user's mirrors.

    Raises:
        DownloadError: It is nowhere; the message says how to get it.
        HashMismatchError: It is another version, or damaged.
    """
    return zoo.fetch_pinned(PACKAGE, SHA256, SIZE_BYTES, source=source, hint=_HINT)


def read_package(path: Path) -> BrowserRuntime:
    """Return what a page needs of the package.

    Args:
        path: A verified package, as npm writes it.

    Raises:
        PageError: It lacks a file.
    """
    try:
        with tarfile.open(path, "r:gz") as package:
            library = _member(package, _LIBRARY).decode()
            return BrowserRuntime(_closed(library), _member(package, _BINARY))
    except (tarfile.TarError, ValueError, KeyError, OSError, EOFError) as error:
        message = f"cannot use {path.name!r}: {error}."
        raise PageError(message, where=path, hint=_HINT) from error


def _closed(library: str) -> str:
    """Return a module as a plain script, with an object in place of its exports.

    Chromium runs no module in a worker of a page that was opened from a file.
    """
    found = _EXPORTS.search(library)
    if found is None:
        message = f"{_LIBRARY} has no exports"
        raise ValueError(message)
    pairs = (one.split(" as ") for one in found[1].split(","))
    names = ",".join(f"{public}:{local}" for local, public in pairs)
    body = library[: found.start()].replace("import.meta.url", "self.location.href")
    return f"{body}const ort={{{names}}};\n"


def _member(package: tarfile.TarFile, name: str) -> bytes:
    found = package.extractfile(name)
    if found is None:
        message = f"{name} is no file"
        raise KeyError(message)
    with found:
        return found.read(_MOST_BYTES)
