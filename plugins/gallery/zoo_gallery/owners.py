# SPDX-License-Identifier: Apache-2.0
"""What the pages of plugins and sources say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from zoo_gallery.card_files import CardFolder
from zoo_gallery.models import Model

__all__ = ["Contribution", "Listing", "PluginPage", "SourcePage"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """One row of a plugin that is no row of weights.

    Attributes:
        name: Its name.
        summary: One line, or empty.
        facts: Name of a fact -> its text; facts differ by kind.
    """

    name: str
    summary: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PluginPage:
    """One plugin.

    Attributes:
        name: Its name.
        path: Path of its page in the site.
        version: Its version, or empty if the manifest cannot be read.
        summary: One line.
        licence: Licence of its code.
        homepage: Its page on the web, or None.
        notice: What everybody who sees a result should read, or empty.
        authors: As its package states them.
        requires: Requirements in pip's syntax.
        kinds: Kind of rows -> the rows, in the order of the manifest.
        models: Its weights.
        has_legacy: Whether it lists old checkpoints, too.
        readme: Its card in Markdown, or None.
        problems: Why it cannot be used; empty if it can.
        cards: Where its README and the pictures of that lie, or None.
    """

    name: str
    path: str
    version: str = ""
    summary: str = ""
    licence: str = ""
    homepage: str | None = None
    notice: str = ""
    authors: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    kinds: Mapping[str, tuple[Contribution, ...]] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    has_legacy: bool = False
    readme: str | None = None
    problems: tuple[str, ...] = ()
    cards: CardFolder | None = None

    @property
    def distribution(self) -> str:
        """Return the name that its package has by the rule of manifests."""
        return f"mmzoo-{self.name.replace('_', '-')}"

    @property
    def newest(self) -> tuple[Model, ...]:
        """Return its weights without their earlier versions."""
        return tuple(model for model in self.models if model.is_newest)


@dataclass(frozen=True, slots=True)
class Listing:
    """One plugin that a source lists, which may not be installed.

    Attributes:
        name: Its name.
        distribution: Name of its distribution.
        version: Its newest version.
        summary: One line.
        kinds: Kinds of its rows.
        link: Its page on the web, or None.
    """

    name: str
    distribution: str
    version: str
    summary: str
    kinds: str
    link: str | None


@dataclass(frozen=True)
class SourcePage:
    """One source of weights.

    Attributes:
        name: Its name, the scope of its rows.
        path: Path of its page in the site.
        address: Address of its index, as it is shown.
        link: The same as a link, or None.
        key: Fingerprint of the key that signed it, or empty if it is not signed.
        sequence: Number of the index.
        created: When it was written.
        expires: Until when it holds.
        licence: Licence of the index.
        homepage: Page of its publisher, or None.
        adding: The command that adds it.
        models: Its weights.
        listings: Plugins that it lists.
        problem: Why it cannot be read, or empty.
    """

    name: str
    path: str
    address: str
    link: str | None
    key: str
    sequence: int
    created: str
    expires: str
    licence: str
    homepage: str | None
    adding: str
    models: tuple[Model, ...] = ()
    listings: tuple[Listing, ...] = ()
    problem: str = ""

    @property
    def newest(self) -> tuple[Model, ...]:
        """Return its weights without their earlier versions."""
        return tuple(model for model in self.models if model.is_newest)
