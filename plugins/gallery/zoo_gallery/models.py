# SPDX-License-Identifier: Apache-2.0
"""What the page of one row of weights says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import zoo
from zoo_gallery.architectures import architectures_of
from zoo_gallery.card_files import CardFolder, SitePicture
from zoo_gallery.links import shown_address, web_link
from zoo_gallery.plain_text import exact, line, short_count, size_text, value_text
from zoo_gallery.site_names import relative

if TYPE_CHECKING:
    from zoo.manifest.rows import AnyWeightsRow

__all__ = ["RUN_TASKS", "Address", "Metric", "Model", "Version"]

RUN_TASKS = ("semantic", "instance")
"""Tasks whose models zoo runs; it lists the others."""

_NON_COMMERCIAL = re.compile(r"\bnon[- ]?commercial\b|\bCC[- ]BY[- ]NC\b", re.IGNORECASE)
_MOST_CLASSES = 500
_MOST_METRICS = 100
_MOST_ADDRESSES = 20


@dataclass(frozen=True, slots=True)
class Metric:
    """One value of a row, as texts.

    Attributes:
        name: Name of the metric.
        value: With its unit.
        dataset: Data set it was measured on.
        split: Split of that data set.
        labels: Where the labels are from.
        protocol: How it was measured, or where it was published.
        link: The same as a link, or None.
        is_published: Whether the author of the row did not measure it.
    """

    name: str
    value: str
    dataset: str
    split: str
    labels: str
    protocol: str
    link: str | None
    is_published: bool


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a file.

    Attributes:
        text: As it is shown.
        link: As it is linked, or None if it is not of the web.
    """

    text: str
    link: str | None


@dataclass(frozen=True, slots=True)
class Version:
    """Another version of the same weights.

    Attributes:
        number: Its number.
        path: Path of its page in the site.
        is_yanked: Whether it was withdrawn.
    """

    number: int
    path: str
    is_yanked: bool


@dataclass(frozen=True)
class Model:
    """One row of weights, and what its plugin or source knows of it.

    Attributes:
        row: The row.
        path: Path of its page in the site.
        called: What is typed to use it: with its plugin where two have the name, with its version
            unless it is the newest.
        is_newest: Whether the name alone means it.
        owner: Name of the plugin or the source.
        owner_path: Path of the page of that.
        adding: What adds its source, or empty for a plugin.
        summary: What its config is, or empty.
        classes: Names of its classes, or of its plugin's data sets.
        notice: What everybody who sees a result should read, or empty.
        versions: The other versions.
        card: Its card in Markdown, or None.
        sample_in: A picture that goes in, or None.
        sample_out: What comes out for it, or None.
        is_of_source: Whether a source has it rather than a plugin.
        cards: Where its card and the pictures of that lie, or None.
    """

    row: AnyWeightsRow
    path: str
    called: str
    is_newest: bool
    owner: str
    owner_path: str
    adding: str = ""
    summary: str = ""
    classes: tuple[str, ...] = ()
    notice: str = ""
    versions: tuple[Version, ...] = ()
    card: str | None = None
    sample_in: SitePicture | None = None
    sample_out: SitePicture | None = None
    is_of_source: bool = False
    cards: CardFolder | None = None

    @cached_property
    def name(self) -> str:
        """Return its name, with its version if it is not the newest."""
        return line(self.row.name if self.is_newest else f"{self.row.name}@{self.row.version}")

    @cached_property
    def task(self) -> str:
        """Return its task."""
        return line(self.row.task)

    @cached_property
    def is_run(self) -> bool:
        """Return whether zoo runs such a model."""
        return self.row.task in RUN_TASKS

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Return its first values."""
        return tuple(
            Metric(
                name=line(one.name, 120),
                value=value_text(one.value, one.unit),
                dataset=line(one.dataset, 200),
                split=line(one.split, 120),
                labels=line(one.labels),
                protocol=line(one.published or one.protocol),
                link=web_link(one.published or one.protocol),
                is_published=one.published is not None,
            )
            for one in self.row.metrics[:_MOST_METRICS]
        )

    @cached_property
    def datasets(self) -> tuple[str, ...]:
        """Return the data sets that it was measured on, sorted."""
        return tuple(sorted({one.dataset for one in self.metrics}))

    @cached_property
    def architectures(self) -> tuple[str, ...]:
        """Return the architectures that its names tell."""
        return architectures_of(self.row.name, self.row.config)

    @cached_property
    def restriction(self) -> str:
        """Return what keeps its licence from being taken unasked, or empty."""
        return zoo.restriction_of(self.row.licence, self.row.non_commercial) or ""

    @cached_property
    def is_non_commercial(self) -> bool:
        """Return whether the licence of the weights forbids commercial use."""
        is_named = _NON_COMMERCIAL.search(self.row.licence) is not None
        return is_named or "commercial use" in self.restriction.partition(",")[0]

    @cached_property
    def is_data_non_commercial(self) -> bool:
        """Return whether the licence of the data says that it forbids commercial use."""
        return _NON_COMMERCIAL.search(self.row.data_licence) is not None

    @cached_property
    def size(self) -> str:
        """Return the size of its file, or empty."""
        return size_text(self.row.size_bytes)

    @cached_property
    def parameters(self) -> str:
        """Return its number of parameters in short, or empty."""
        return short_count(self.row.parameters)

    @cached_property
    def digest(self) -> tuple[str, str] | None:
        """Return the kind of its digest and the digits, or None."""
        digest = getattr(self.row, "digest", None)
        if digest is None:
            return ("sha256", str(self.row.sha256))
        value = digest.kind.replace("_", " ").replace("prefix", "begins with"), digest.value
        return value if digest.value else None

    @cached_property
    def is_to_pin(self) -> bool:
        """Return whether its full sha256 is not known before the first download."""
        return self.row.sha256 is None

    @cached_property
    def converter(self) -> str:
        """Return the converter of its file, or empty."""
        return line(getattr(self.row, "converter", None))

    @cached_property
    def addresses(self) -> tuple[Address, ...]:
        """Return where its file lies, in order of preference."""
        return tuple(
            Address(exact(_place(url)), web_link(url)) for url in self.row.urls[:_MOST_ADDRESSES]
        )

    @cached_property
    def shown_classes(self) -> tuple[str, ...]:
        """Return the first names of its classes."""
        return tuple(line(each, 120) for each in self.classes[:_MOST_CLASSES])

    @cached_property
    def download(self) -> str:
        """Return what downloads it, with the decisions that it asks for; empty if nothing must."""
        is_asked = bool(self.restriction) and not self._is_shipped
        words = [
            *(["--pin"] if self.is_to_pin else []),
            *(["--accept-licence"] if is_asked else []),
        ]
        return f"zoo download {self.called} {' '.join(words)}".rstrip()

    @cached_property
    def is_asking(self) -> bool:
        """Return whether the first download needs a decision of the user."""
        return self.download.count(" ") > 2

    @cached_property
    def _is_shipped(self) -> bool:
        return any(url.startswith("package:") for url in self.row.urls)

    def path_to(self, path: str) -> str:
        """Return the address of another file of the site, from its page.

        Args:
            path: Path in the site.
        """
        return relative(path, self.path)


def _place(url: str) -> str:
    return "in the package of the plugin" if url.startswith("package:") else shown_address(url)
