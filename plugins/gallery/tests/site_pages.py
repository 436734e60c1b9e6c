# SPDX-License-Identifier: Apache-2.0
"""A site on disk, read strictly."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attrs: dict[str, str]
    parents: tuple[str, ...]
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


class Page(HTMLParser):
    """A page, read strictly: each element that is opened is closed, in order."""

    BLOCKS = frozenset(
        {"td", "th", "li", "dt", "dd", "p", "h1", "h2", "h3", "figcaption", "option"}
    )
    VOID = frozenset({"meta", "img", "br", "link", "input", "wbr", "hr"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text("utf-8")
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(self.source)
        self.close()
        assert [each.tag for each in self._open] == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({key for key, _ in attrs}) == len(attrs), (self.path, tag, attrs)
        element = Element(tag, {key: value or "" for key, value in attrs}, self._tags())
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, (self.path, tag)
        if tag in self.BLOCKS:
            self.handle_data(" ")
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError((self.path, data))

    def _tags(self) -> tuple[str, ...]:
        return tuple(each.tag for each in self._open)

    def all(self, tag: str) -> Iterator[Element]:
        return (each for each in self.elements if each.tag == tag)

    @property
    def text(self) -> str:
        return next(self.all("html")).text


@dataclass
class BuiltSite:
    """A site on disk."""

    folder: Path
    stdout: str
    root: Path
    env: dict[str, str]

    def __post_init__(self) -> None:
        self.pages = {
            path.relative_to(self.folder).as_posix(): Page(path)
            for path in sorted(self.folder.rglob("*.html"))
        }

    def target(self, page: str, address: str) -> tuple[Path, str]:
        """Return the file that a relative address leads to, and the fragment."""
        parts = urlsplit(address)
        name = unquote(parts.path)
        path = (self.folder / page).parent / name if name else self.folder / page
        return Path(os.path.normpath(path)), parts.fragment


def tree(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
