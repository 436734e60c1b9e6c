# SPDX-License-Identifier: Apache-2.0
"""What a service is told on its command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConfigError

__all__ = ["MEGABYTE", "Settings", "parse_specs"]

MEGABYTE = 10**6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits and places of a service.

    Args:
        specs: Name of a model in addresses -> what `zoo.load` takes.
        host: Name or address to listen on.
        port: Port; 0 for any that is free.
        workers: Processes that predict.
        queue: Requests that may wait, besides those that are predicted.
        max_bytes: Size of a body.
        most_px: Pixels of an image.
        timeout_s: Time of a request, from its header to its answer.
        device: ``auto``, ``cpu``, ``cuda``, ...
    """

    specs: dict[str, str]
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    queue: int = 16
    max_bytes: int = 64 * MEGABYTE
    most_px: int = 50_000_000
    timeout_s: float = 60.0
    device: str = "auto"


def parse_specs(words: Sequence[str]) -> dict[str, str]:
    """Return the models of a command line by their names in addresses.

    A word is a model, or ``NAME=MODEL``. Without a name, it is the last part of the model's,
    without ``.safetensors`` and with ``_`` in place of characters that an address would escape.

    Args:
        words: Words of the command line.

    Raises:
        ConfigError: Two models have one name.
    """
    specs: dict[str, str] = {}
    for word in words:
        name, equals, spec = word.partition("=")
        if not equals or not _NAME.fullmatch(name) or Path(word).exists():
            name, spec = _name_of(word), word
        if name in specs:
            message = f"cannot serve two models as {name!r}: found {specs[name]!r} and {spec!r}."
            hint = f"name one of them: other_{name}={spec}"
            raise ConfigError(message, where="MODEL", hint=hint)
        specs[name] = spec
    return specs


def _name_of(spec: str) -> str:
    path = Path(spec.rpartition(",")[2].strip())
    last = path.resolve().name if path.is_dir() else path.name
    for suffix in (".safetensors", ".onnx", ".pth", ".pt"):
        last = last.removesuffix(suffix)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", last).strip("._-")[:100]
    return name or "model"
