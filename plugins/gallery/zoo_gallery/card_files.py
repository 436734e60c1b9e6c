# SPDX-License-Identifier: Apache-2.0
"""Cards and pictures that lie with a plugin: read within limits, and never from outside of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zoo.documents import DocumentError, read_file

__all__ = ["CardFolder", "SitePicture"]

_MOST_CARD_BYTES = 2**18
_MOST_PICTURE_BYTES = 2**21
# The first bytes of a picture that every browser shows -> how its file must end.
_STARTS = {
    b"\x89PNG\r\n\x1a\n": ("png",),
    b"\xff\xd8\xff": ("jpg", "jpeg"),
    b"RIFF": ("webp",),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")


@dataclass(frozen=True, slots=True)
class SitePicture:
    """A picture as the site holds it.

    Attributes:
        path: Its path in the site: named by its content, so that equal ones are one file.
        data: Its bytes.
    """

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CardFolder:
    """Where the cards of one plugin lie.

    Attributes:
        package: Folder of its manifest.
        project: Folder of its ``pyproject.toml``; None if it was installed without one.
    """

    package: Path
    project: Path | None

    @classmethod
    def of(cls, package: Path) -> CardFolder:
        """Return the folders of a plugin; its project may be around it, also around ``src``.

        Args:
            package: Folder of its manifest.
        """
        around = package.resolve().parent
        for folder in (around, around.parent if around.name == "src" else around):
            if (folder / "pyproject.toml").is_file():
                return cls(package, folder)
        return cls(package, None)

    def readme(self) -> str | None:
        """Return the README of the plugin, or None."""
        return self._text("README.md")

    def card(self, name: str) -> str | None:
        """Return the card of weights, as ``zoo publish --into`` writes it, or None.

        Args:
            name: Name of the weights.
        """
        return self._text(f"cards/{name}.md") if _NAME.fullmatch(name) else None

    def sample(self, names: Iterable[str], part: str) -> SitePicture | None:
        """Return ``cards/NAME.PART.png``, or the same as JPEG or WebP, of the first that has one.

        Args:
            names: Names of the weights, then of their plugin.
            part: ``in`` or ``out``.
        """
        for name in filter(_NAME.fullmatch, names):
            for suffix in (each for every in _STARTS.values() for each in every):
                found = self.picture(f"cards/{name}.{part}.{suffix}")
                if found is not None:
                    return found
        return None

    def picture(self, relative: str, of: str = ".") -> SitePicture | None:
        """Return a picture of the plugin, or None if there is no such PNG, JPEG or WebP.

        Args:
            relative: Its path, as a card names it.
            of: Folder of that card, from the project or the package.
        """
        suffix = relative.rpartition(".")[2].lower()
        data = self._bytes(f"{of}/{relative}", _MOST_PICTURE_BYTES)
        if data is None:
            return None
        for start, suffixes in _STARTS.items():
            is_webp = start != b"RIFF" or data[8:12] == b"WEBP"
            if data.startswith(start) and is_webp and suffix in suffixes:
                digest = hashlib.sha256(data).hexdigest()
                return SitePicture(f"pictures/{digest[:24]}.{suffixes[0]}", data)
        return None

    def _text(self, relative: str) -> str | None:
        data = self._bytes(relative, _MOST_CARD_BYTES)
        return None if data is None else data.decode("utf-8", "replace")

    def _bytes(self, relative: str, most_bytes: int) -> bytes | None:
        """Return a file inside the package or the project; links out of them lead nowhere."""
        for root in (self.package, self.project):
            if root is None:
                continue
            try:
                path = (root / relative).resolve()
                if path.is_relative_to(root.resolve()):
                    return read_file(path, most_bytes)
            except (OSError, ValueError, RuntimeError, DocumentError):
                continue  # no such file, a link to itself, or too large
        return None
